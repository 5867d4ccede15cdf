//! Draws the terminal after `lasthop demo` as `docs/img/demo.svg`, the picture in the README.
//!
//! `cargo run --example recording` writes it anew; a test holds the file to what the program prints.

use std::process::Command;

/// The picture of what `lasthop demo` prints, in colour; `program` is its path.
pub fn picture(program: &str) -> Result<String, Box<dyn std::error::Error>> {
    let output = Command::new(program)
        .args(["demo", "--color", "always"])
        .env_clear()
        .envs([("COLUMNS", "80"), ("LASTHOP_CONFIG", "")])
        .output()?;
    let printed = String::from_utf8(output.stdout)?;
    // The bold `$` is a prompt.
    let screen = format!("\u{1b}[1m$\u{1b}[0m lasthop demo\n{printed}");
    Ok(anstyle_svg::Term::new().render_svg(screen.trim_end()))
}

#[allow(dead_code, reason = "a test takes the function above and leaves this")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    // Beside this example's own folder.
    let program = std::env::current_exe()?
        .parent()
        .and_then(|folder| folder.parent())
        .map(|target| target.join("lasthop"));
    let program = program.filter(|path| path.exists()).ok_or("build the program first: cargo build")?;
    std::fs::write(root.join("docs/img/demo.svg"), picture(&program.to_string_lossy())?)?;
    Ok(())
}
