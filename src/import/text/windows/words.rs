//! The words of Windows' tools in the languages they come in. Only headers, ends and refusals are words; everything else is
//! known by its form, so that a language that is missing here costs a label and no hop.

use super::super::Line;
use crate::import::pieces;

/// How a header begins, in lower case, and the language.
const HEADERS: &[(&str, &str)] = &[
    ("tracing route to", "en"),
    ("трассировка маршрута к", "ru"),
    ("трасування маршруту до", "uk"),
    ("трасування шляху до", "uk"),
    ("routenverfolgung zu", "de"),
    ("détermination de l'itinéraire vers", "fr"),
    ("d\u{fffd}termination de l'itin\u{fffd}raire vers", "fr"),
    ("traza a la dirección", "es"),
    ("traza a ", "es"),
    ("traccia instradamento verso", "it"),
    ("rilevazione instradamento verso", "it"),
    ("rastreando a rota para", "pt"),
    ("a rastrear a rota para", "pt"),
    ("rastreio do encaminhamento para", "pt"),
    ("śledzenie trasy do", "pl"),
    ("trasa śledzenia do", "pl"),
    ("traceren van de route naar", "nl"),
    ("bezig met het traceren van de route naar", "nl"),
    ("výpis trasy k", "cs"),
    ("výpis trasy do", "cs"),
    ("spårar väg till", "sv"),
];

/// What stands at the end.
const ENDS: &[&str] = &[
    "trace complete",
    "трассировка завершена",
    "трасування завершено",
    "ablaufverfolgung beendet",
    "itinéraire déterminé",
    "traza completa",
    "traccia completata",
    "rastreamento concluído",
    "rastreio concluído",
    "śledzenie zakończone",
    "de trace is voltooid",
    "trasování bylo dokončeno",
    "spårningen har slutförts",
];

/// Words of a refusal, by the code of destination unreachable (RFC 792) that is meant.
const REFUSALS: &[(&[&str], u8)] = &[
    (
        &[
            "net unreachable",
            "network unreachable",
            "сеть недоступна",
            "мережа недоступна",
            "zielnetz nicht erreichbar",
            "réseau de destination",
            "red de destino",
            "rete di destinazione",
            "rede de destino",
        ],
        0,
    ),
    (
        &[
            "host unreachable",
            "узел недоступен",
            "вузол недоступний",
            "хост недоступний",
            "zielhost nicht erreichbar",
            "hôte de destination",
            "host de destino",
            "host di destinazione",
        ],
        1,
    ),
    (
        &[
            "protocol unreachable",
            "протокол недоступен",
            "протокол недоступний",
            "zielprotokoll nicht erreichbar",
            "protocole de destination",
            "protocolo de destino",
        ],
        2,
    ),
    (
        &[
            "port unreachable",
            "порт недоступен",
            "порт недоступний",
            "zielport nicht erreichbar",
            "port de destination",
            "puerto de destino",
            "porta de destino",
        ],
        3,
    ),
];

/// What goes wrong on the machine itself.
const LOCAL: &[&str] = &[
    "general failure",
    "transmit failed",
    "общий сбой",
    "сбой передачи",
    "загальна помилка",
    "allgemeiner fehler",
    "fehler bei der übertragung",
    "défaillance générale",
    "échec général",
    "error general",
    "error en la transmisión",
    "errore generale",
    "falha geral",
];

const UNRESOLVED: &[(&str, &str)] = &[
    ("unable to resolve target system name", "en"),
    ("не удается разрешить системное имя узла", "ru"),
    ("der zielname", "de"),
    ("impossible de résoudre le nom du système cible", "fr"),
    ("no se puede resolver el nombre del sistema de destino", "es"),
];

fn lower(text: &str) -> String {
    text.trim().replace('’', "'").to_lowercase()
}

/// The destination in a header, as it stands there; `None` if the line is no header.
pub(super) fn header(line: &str) -> Option<String> {
    if pieces::leading(line).is_some() || line.len() > 600 {
        return None;
    }
    let line = line.trim();
    let bracketed = in_brackets(line);
    let known = {
        let lower = lower(line);
        HEADERS.iter().any(|(start, _)| lower.starts_with(start))
    };
    if let Some(target) = bracketed {
        // In an unknown language: words, the host, its address in brackets, and nothing behind it.
        let closed = line.ends_with(']') || line.ends_with("]:");
        let sentence = line.split('[').next().is_some_and(|before| before.split_whitespace().count() >= 4);
        return (known || closed && sentence && !line.contains(['|', '='])).then_some(target);
    }
    if !known {
        return None;
    }
    let words = || line.split_whitespace().map(|word| word.trim_end_matches([':', ',']));
    let address = words().find(|word| pieces::address(word).is_some());
    let start = HEADERS.iter().find(|(start, _)| lower(line).starts_with(start))?;
    let behind = || words().nth(start.0.split_whitespace().count());
    address.or_else(behind).map(str::to_owned)
}

/// `name [addr]`.
fn in_brackets(line: &str) -> Option<String> {
    let (before, after) = line.split_once('[')?;
    let (inner, _) = after.split_once(']')?;
    pieces::address(inner)?;
    let name = before.split_whitespace().next_back()?;
    Some(format!("{name} [{inner}]"))
}

/// The name that could not be resolved.
pub(super) fn unresolved(line: &str) -> Option<&str> {
    let lower = lower(line);
    let (start, _) = UNRESOLVED.iter().find(|(start, _)| lower.starts_with(start))?;
    let name = line.split_whitespace().nth(start.split_whitespace().count())?;
    Some(name.trim_matches(['.', '"', '\'', ',', '«', '»']))
}

/// The language of a trace; empty if it is none that is known.
pub(super) fn language(lines: &[Line<'_>]) -> &'static str {
    let said = lines.iter().take(4).map(|line| lower(line.text));
    let known = HEADERS.iter().chain(UNRESOLVED);
    let of = |line: &String| {
        known.clone().find(|(start, _)| line.starts_with(start)).map(|(_, language)| *language)
    };
    said.into_iter().find_map(|line| of(&line)).unwrap_or("")
}

/// The end of a trace.
pub(super) fn ends(line: &str) -> bool {
    let lower = lower(line);
    ENDS.iter().any(|end| lower.starts_with(end))
}

/// The code of destination unreachable (RFC 792) that a message means.
pub(super) fn code(message: &str) -> Option<u8> {
    let lower = lower(message);
    let means = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    REFUSALS.iter().find(|(words, _)| means(words)).map(|(_, code)| *code)
}

/// Whether a message is about the machine that measured.
pub(super) fn is_local(message: &str) -> bool {
    let lower = lower(message);
    LOCAL.iter().any(|word| lower.contains(word))
}
