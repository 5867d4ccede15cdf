//! Packet formats: views in, builders out. No input makes anything here panic.
