//! All colours of reports: calm, told apart by pattern and label as well, readable in grey, light and dark.
//!
//! Pictures carry the light colours as attributes, so that they stand alone; a page overrides them by class from the same
//! list. Contrast is held by a test: 4.5 for text and 3 for graphics (WCAG 2.2, 1.4.3 and 1.4.11).

/// A colour for light and for dark surroundings, as `#rrggbb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Color {
    /// Its class and variable.
    pub name: &'static str,
    /// On light paper.
    pub light: &'static str,
    /// On dark paper.
    pub dark: &'static str,
}

const fn color(name: &'static str, light: &'static str, dark: &'static str) -> Color {
    Color { name, light, dark }
}

/// The ground.
pub const PAPER: Color = color("paper", "#ffffff", "#14181d");
/// A ground that is set off.
pub const PANEL: Color = color("panel", "#f3f5f7", "#1d232a");
/// Text.
pub const INK: Color = color("ink", "#1b2127", "#e6eaee");
/// Text of less weight.
pub const MUTED: Color = color("muted", "#525c66", "#a9b3bd");
/// Thin lines that part things; nothing is told by them.
pub const RULE: Color = color("rule", "#d3d9de", "#37404a");
/// Links.
pub const LINK: Color = color("link", "#1f5a99", "#8cbcf0");
/// Where packets are lost.
pub const LOSS: Color = color("loss", "#a3342c", "#f0958c");
/// What answers.
pub const WELL: Color = color("well", "#2c6e49", "#8fd0ab");
/// What cannot be told.
pub const DOUBT: Color = color("doubt", "#7a5a12", "#dcb968");
/// Addresses of no network.
pub const NOBODY: Color = color("nobody", "#7b858f", "#8d97a1");

/// Networks, in order of appearance.
pub const NETWORKS: [Color; 8] = [
    color("n0", "#3b6ea8", "#82b1e6"),
    color("n1", "#b0642a", "#e0a06c"),
    color("n2", "#3d8059", "#86c9a0"),
    color("n3", "#8a5fa3", "#c3a0dc"),
    color("n4", "#2f7f8d", "#78c5d1"),
    color("n5", "#a84f63", "#e093a4"),
    color("n6", "#7d7338", "#c2b771"),
    color("n7", "#56657a", "#a9b6c6"),
];

/// All that a page has to define.
pub fn all() -> impl Iterator<Item = Color> {
    [PAPER, PANEL, INK, MUTED, RULE, LINK, LOSS, WELL, DOUBT, NOBODY].into_iter().chain(NETWORKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance (WCAG 2.2).
    fn luminance(color: &str) -> f64 {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&color[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn text_and_graphics_stand_out() {
        assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 0.01);
        for ground in [PAPER, PANEL] {
            for text in [INK, MUTED, LINK, LOSS, WELL, DOUBT] {
                assert!(contrast(text.light, ground.light) >= 4.5, "{} on light {}", text.name, ground.name);
                assert!(contrast(text.dark, ground.dark) >= 4.5, "{} on dark {}", text.name, ground.name);
            }
            for band in NETWORKS.into_iter().chain([NOBODY]) {
                assert!(contrast(band.light, ground.light) >= 3.0, "{} on light {}", band.name, ground.name);
                assert!(contrast(band.dark, ground.dark) >= 3.0, "{} on dark {}", band.name, ground.name);
            }
        }
    }
}
