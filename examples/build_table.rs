//! Builds the shipped IP-to-AS table from its published sources: `build_table FOLDER OUTPUT`. See data/README.md.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, output] = arguments.as_slice() else {
        eprintln!("usage: build_table FOLDER OUTPUT");
        return ExitCode::from(2);
    };
    let table = match lasthop::asdb::build::shipped(Path::new(folder)) {
        Ok(table) => table,
        Err(error) => {
            eprintln!("build_table: {error}");
            return ExitCode::from(4);
        }
    };
    if let Err(error) = std::fs::write(output, &table) {
        eprintln!("build_table: cannot write {output}: {error}");
        return ExitCode::from(3);
    }
    eprintln!("{output}: {} bytes", table.len());
    ExitCode::SUCCESS
}
