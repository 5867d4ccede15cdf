//! What bgpkit-parser's own example of counting prefixes by origin does: every element of a dump, its prefix and its origins.

use std::collections::HashMap;

fn main() {
    let file = std::env::args().nth(1).expect("a file");
    let file = std::io::BufReader::with_capacity(1 << 18, std::fs::File::open(file).expect("a readable file"));
    let parser = bgpkit_parser::BgpkitParser::from_reader(file);
    let (mut elements, mut origins) = (0_u64, HashMap::new());
    for element in parser {
        elements += 1;
        for asn in element.origin_asns.into_iter().flatten() {
            *origins.entry(asn).or_insert(0_u64) += 1;
        }
    }
    println!("{elements} elements, {} origins", origins.len());
}
