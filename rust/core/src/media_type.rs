//! Media types as headers have them (RFC 9110 8.3.1), read tolerantly.

/// The type and subtype in lower case, without parameters: `multipart/related; …` gives
/// `multipart/related`.
#[must_use]
pub fn essence(header: &str) -> String {
    header
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::essence;

    #[test]
    fn parameters_and_case_do_not_matter() {
        for header in [
            "application/dicom",
            " Application/DICOM ",
            "application/dicom; transfer-syntax=1.2.840.10008.1.2.1",
            "application/dicom;x=\"a;b\"",
        ] {
            assert_eq!(essence(header), "application/dicom", "{header}");
        }
        assert_eq!(essence(""), "");
    }
}
