//! stub
pub(super) fn hop_number(_line: &str) -> Option<u8> {
    None
}
pub(super) fn is_silent(_line: &str) -> bool {
    false
}
pub(super) fn starts(_line: &str) -> bool {
    false
}
