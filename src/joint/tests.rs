//! Small worlds in documents.
