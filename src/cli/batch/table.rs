//! The results as a table, for people with a warehouse: one row a result in an Apache Parquet file.
//!
//! The lines of JSON stay the record; a row holds what one asks of many results at once. A Parquet file is whole only with
//! its footer, and nothing can be put behind that. So rows go to a file beside the one that was named, and take its name
//! when the batch has come to its end or was stopped; a batch that is taken up again reads its earlier results and writes
//! them once more.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use crate::cli::failure::{Failure, unwritable};
use crate::trace::WallTime;
use crate::trace::schema::{Document, Path as Side, Verdict};

/// Rows that are kept until they are written.
const GROUP: usize = 16_384;

/// What a column holds of a result.
#[derive(Clone, Copy)]
enum Of {
    Text(fn(&Document) -> Option<String>),
    Number(fn(&Document) -> Option<u32>),
    Moment(fn(&Document) -> Option<i64>),
    Share(fn(&Document) -> Option<f64>),
    Truth(fn(&Document) -> Option<bool>),
    Numbers(fn(&Document) -> Vec<u32>),
}

fn verdict(document: &Document) -> Option<&Verdict> {
    document.verdict.as_ref()
}

/// The reference that was named, or else the first of those that were compared with.
fn reference(document: &Document) -> Option<&Side> {
    let given = |side: &&Side| side.chosen.as_ref().is_some_and(|chosen| chosen.how == "given");
    document.references.iter().find(given).or_else(|| document.references.first())
}

/// The columns. Names and values are those of the JSON document, where there is one value a run.
const COLUMNS: [(&str, Of); 27] = [
    ("started_at", Of::Moment(|it| Some(WallTime::parse(it.started_at.as_ref()?)?.0 / 1000))),
    ("protocol", Of::Text(|it| it.protocol.clone())),
    ("port", Of::Number(|it| it.port.map(u32::from))),
    ("vantage_source", Of::Text(|it| Some(it.vantage.source?.to_string()))),
    ("vantage_label", Of::Text(|it| it.vantage.label.clone())),
    ("target", Of::Text(|it| Some(it.target.as_ref()?.host.clone()))),
    ("target_address", Of::Text(|it| Some(it.target.as_ref()?.address?.to_string()))),
    ("target_asn", Of::Number(|it| it.target.as_ref()?.asn)),
    ("target_prefix", Of::Text(|it| it.target.as_ref()?.prefix.clone())),
    ("target_reached", Of::Truth(|it| Some(it.target.as_ref()?.reached))),
    ("reference", Of::Text(|it| Some(reference(it)?.host.clone()))),
    ("reference_address", Of::Text(|it| Some(reference(it)?.address?.to_string()))),
    ("reference_reached", Of::Truth(|it| Some(reference(it)?.reached))),
    ("kind", Of::Text(|it| Some(verdict(it)?.kind.clone()))),
    ("asns", Of::Numbers(|it| verdict(it).map_or(Vec::new(), |said| said.asns.clone()))),
    ("after_ttl", Of::Number(|it| verdict(it)?.after_ttl.map(u32::from))),
    ("before_ttl", Of::Number(|it| verdict(it)?.before_ttl.map(u32::from))),
    ("after", Of::Text(|it| verdict(it)?.after.clone())),
    ("before", Of::Text(|it| verdict(it)?.before.clone())),
    ("mechanism", Of::Text(|it| Some(verdict(it)?.mechanism.clone()))),
    ("scope", Of::Text(|it| Some(verdict(it)?.scope.clone()))),
    ("location_confidence", Of::Share(|it| Some(verdict(it)?.location_confidence))),
    ("attribution_confidence", Of::Share(|it| Some(verdict(it)?.attribution_confidence))),
    ("reason", Of::Text(|it| verdict(it)?.reason.clone())),
    ("summary", Of::Text(|it| Some(verdict(it)?.summary.clone()))),
    ("probes", Of::Number(|it| Some(it.measurement.as_ref()?.probes))),
    ("error", Of::Text(|it| Some(it.error.as_ref()?.kind.clone()))),
];

/// The schema in Parquet's own words.
fn message() -> String {
    let field = |(name, of): &(&str, Of)| match of {
        Of::Text(_) => format!("OPTIONAL BYTE_ARRAY {name} (UTF8);"),
        Of::Number(_) => format!("OPTIONAL INT32 {name} (INTEGER(32,false));"),
        Of::Moment(_) => format!("OPTIONAL INT64 {name} (TIMESTAMP(MICROS,true));"),
        Of::Share(_) => format!("OPTIONAL DOUBLE {name};"),
        Of::Truth(_) => format!("OPTIONAL BOOLEAN {name};"),
        Of::Numbers(_) => format!(
            "REQUIRED group {name} (LIST) {{ REPEATED group list {{ REQUIRED INT32 element (INTEGER(32,false)); }} }}"
        ),
    };
    format!("message results {{ {} }}", COLUMNS.iter().map(field).collect::<Vec<_>>().join(" "))
}

/// A table that is being written.
pub struct Table {
    path: PathBuf,
    partial: PathBuf,
    writer: SerializedFileWriter<File>,
    rows: Vec<Document>,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Table").field("path", &self.path).field("rows", &self.rows.len()).finish()
    }
}

impl Table {
    /// Begins a table. What an earlier run has finished is replaced only where that run is taken up again.
    pub fn open(path: &Path, resumes: bool) -> Result<Self, Failure> {
        let name = path.display().to_string();
        if !resumes && path.exists() {
            return Err(Failure::usage(
                format!("{name} is there already"),
                "write the table to another file",
            ));
        }
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file =
            File::create(&partial).map_err(|error| unwritable(&partial.display().to_string(), &error))?;
        let schema = parse_message_type(&message()).map_err(|error| broken(&name, &error))?;
        let properties = WriterProperties::builder().set_compression(Compression::GZIP(Default::default()));
        let writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties.build()))
            .map_err(|error| broken(&name, &error))?;
        Ok(Self { path: path.to_owned(), partial, writer, rows: Vec::new() })
    }

    /// Takes a result.
    pub fn tell(&mut self, document: &Document) -> Result<(), Failure> {
        // The paths are most of a document, and no column is of them.
        let mut row = document.clone();
        for side in row.target.iter_mut().chain(&mut row.references) {
            side.hops = Vec::new();
        }
        self.rows.push(row);
        if self.rows.len() >= GROUP { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let rows = std::mem::take(&mut self.rows);
        if rows.is_empty() {
            return Ok(());
        }
        let written = self.writer.next_row_group().and_then(|group| write(group, &rows));
        written.map_err(|error| broken(&self.path.display().to_string(), &error))
    }

    /// Writes the footer and gives the file its name.
    pub fn close(mut self) -> Result<(), Failure> {
        self.flush()?;
        let name = self.path.display().to_string();
        let file = self.writer.into_inner().map_err(|error| broken(&name, &error))?;
        let named = file.sync_all().and_then(|()| std::fs::rename(&self.partial, &self.path));
        named.map_err(|error| unwritable(&name, &error))
    }
}

fn broken(name: &str, error: &ParquetError) -> Failure {
    Failure::environment(
        "output",
        format!("cannot write the table {name}: {error}"),
        Some("choose another place with --parquet FILE, or leave it out".to_owned()),
    )
}

/// One group of rows, column by column.
fn write(mut group: SerializedRowGroupWriter<'_, File>, rows: &[Document]) -> Result<(), ParquetError> {
    for (_, of) in COLUMNS {
        let Some(mut column) = group.next_column()? else { break };
        // A value or none for each row: the level tells which.
        fn split<T>(values: impl Iterator<Item = Option<T>>) -> (Vec<T>, Vec<i16>) {
            let mut levels = Vec::new();
            let values = values.inspect(|value| levels.push(i16::from(value.is_some()))).flatten().collect();
            (values, levels)
        }
        match of {
            Of::Text(get) => {
                let text = |row| get(row).map(|text| ByteArray::from(text.into_bytes()));
                let (values, levels) = split(rows.iter().map(text));
                column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None)?;
            }
            Of::Number(get) => {
                // Parquet keeps an unsigned number by the bits of a signed one.
                let (values, levels) = split(rows.iter().map(|row| get(row).map(u32::cast_signed)));
                column.typed::<Int32Type>().write_batch(&values, Some(&levels), None)?;
            }
            Of::Moment(get) => {
                let (values, levels) = split(rows.iter().map(get));
                column.typed::<Int64Type>().write_batch(&values, Some(&levels), None)?;
            }
            Of::Share(get) => {
                let (values, levels) = split(rows.iter().map(get));
                column.typed::<DoubleType>().write_batch(&values, Some(&levels), None)?;
            }
            Of::Truth(get) => {
                let (values, levels) = split(rows.iter().map(get));
                column.typed::<BoolType>().write_batch(&values, Some(&levels), None)?;
            }
            Of::Numbers(get) => {
                let (mut values, mut levels, mut repeats) = (Vec::new(), Vec::new(), Vec::new());
                for row in rows {
                    let list = get(row);
                    if list.is_empty() {
                        levels.push(0);
                        repeats.push(0);
                    }
                    for (place, value) in list.into_iter().enumerate() {
                        values.push(value.cast_signed());
                        levels.push(1);
                        repeats.push(i16::from(place > 0));
                    }
                }
                column.typed::<Int32Type>().write_batch(&values, Some(&levels), Some(&repeats))?;
            }
        }
        column.close()?;
    }
    group.close()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use parquet::record::Field;
    use serde_json::json;

    use super::*;

    fn document(host: &str, asns: &[u32]) -> Document {
        let value = json!({
            "schema": "lasthop.run/1", "tool": {"name": "lasthop", "version": "0"},
            "started_at": "2026-03-01T12:00:00.000001Z", "finished_at": null,
            "vantage": {"source": "192.0.2.1", "interface": null, "asn": null, "label": null},
            "asdb": null, "protocol": "tcp", "port": 25, "references": [], "error": null,
            "target": {"host": host, "address": "198.51.100.9", "asn": 4_200_000_001_u32, "as_name": null,
                       "prefix": null, "reached": false, "distance": null, "hops": [], "as_path": []},
            "verdict": {
                "kind": "lost_at_as_border", "asns": asns, "as_names": [], "after_ttl": 6, "before_ttl": null,
                "after": null, "before": null, "mechanism": "silent_drop", "scope": "host",
                "location_confidence": 0.996, "attribution_confidence": 0.9, "reason": null, "summary": "«так»",
                "next_step": null,
                "evidence": {"pairs": 0, "target_answered": 0, "reference_answered": 0, "e_value": 0.0,
                             "posterior": 0.0, "flows": 0, "references": 0},
            },
        });
        serde_json::from_value(value).unwrap()
    }

    /// What was written is read back, several groups of it, with empty lists and long ones between.
    #[test]
    fn what_is_written_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.parquet");
        let count = GROUP + 7;
        let lists: [&[u32]; 3] = [&[8359, 4_200_000_000], &[], &[57681]];
        let mut table = Table::open(&path, false).unwrap();
        for row in 0..count {
            table.tell(&document(&format!("h{row}"), lists[row % 3])).unwrap();
        }
        assert!(!path.exists());
        table.close().unwrap();
        let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
        assert_eq!(reader.metadata().num_row_groups(), 2);
        let mut rows = 0;
        for (place, row) in reader.get_row_iter(None).unwrap().enumerate() {
            let row = row.unwrap();
            let field = |name: &str| {
                let mut columns = row.get_column_iter();
                columns.find(|(column, _)| *column == name).map(|(_, field)| field.clone()).unwrap()
            };
            assert_eq!(row.len(), COLUMNS.len());
            assert_eq!(field("target"), Field::Str(format!("h{place}")));
            assert_eq!(field("target_asn"), Field::UInt(4_200_000_001));
            assert_eq!(field("started_at"), Field::TimestampMicros(1_772_366_400_000_001));
            assert_eq!(field("target_reached"), Field::Bool(false));
            assert_eq!(field("location_confidence"), Field::Double(0.996));
            assert_eq!(field("before_ttl"), Field::Null);
            assert_eq!(field("summary"), Field::Str("«так»".into()));
            let Field::ListInternal(list) = field("asns") else { panic!("no list") };
            let asns: Vec<u32> = list
                .elements()
                .iter()
                .map(|one| match one {
                    Field::UInt(asn) => *asn,
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(asns, lists[place % 3]);
            rows += 1;
        }
        assert_eq!(rows, count);
        // What is finished is not written over, unless the run is taken up again.
        assert_eq!(Table::open(&path, false).unwrap_err().kind, "usage");
        Table::open(&path, true).unwrap().close().unwrap();
    }
}
