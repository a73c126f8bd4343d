//! Every value rule, by name.

use longshore_core::validate::{
    is_uid, lenient, lenient_comment, missing_comment, strict, strict_comment,
};
use longshore_core::vr::{self, Vr};
use proptest::prelude::*;

fn accepts(vr: Vr, values: &[&str]) {
    for value in values {
        assert_eq!(lenient(vr, value), Ok(()), "{vr:?} {value:?}");
    }
}

fn refuses(vr: Vr, reason: &str, values: &[&str]) {
    for value in values {
        let found = lenient(vr, value);
        assert!(
            found.is_err_and(|text| text.contains(reason)),
            "{vr:?} {value:?}: {found:?}"
        );
    }
}

#[test]
fn lenient_ae() {
    accepts(Vr::Ae, &["", "STORESCP", "a\\b", "PADDED\0\0"]);
    refuses(
        Vr::Ae,
        "maximum length of 16",
        &["12345678901234567", "a\\12345678901234567"],
    );
    refuses(Vr::Ae, "only of spaces", &["   "]);
    refuses(Vr::Ae, "invalid control character", &["a\tb", "a\0b"]);
}

#[test]
fn lenient_as() {
    accepts(Vr::As, &["", "012Y", "001D\\002W", "999M"]);
    refuses(
        Vr::As,
        "pattern 000[DWMY]",
        &["12Y", "012y", "0012Y", "Y012"],
    );
}

#[test]
fn lenient_cs() {
    accepts(Vr::Cs, &["", "ORIGINAL\\PRIMARY\\AX_1", "A B", "CT\0"]);
    refuses(
        Vr::Cs,
        "value contains invalid character",
        &["ct", "X\0X", "A-B", "\u{c4}"],
    );
    refuses(Vr::Cs, "maximum length of 16", &["ABCDEFGHIJKLMNOPQ"]);
}

#[test]
fn lenient_da() {
    accepts(
        Vr::Da,
        &[
            "",
            "20260228",
            "20260231",
            "20260200",
            "20260101-20260102",
            "20260101-",
            "-20260101 ",
        ],
    );
    refuses(
        Vr::Da,
        "one of the date values does not match the pattern YYYYMMDD",
        &["NotADate", "2026.01.01", "2026"],
    );
    refuses(
        Vr::Da,
        "too many range separators",
        &["20260101-20260102-20260103", "2026-01-01"],
    );
    refuses(
        Vr::Da,
        "month component exceeds the value 12",
        &["20261301"],
    );
    refuses(Vr::Da, "day component exceeds the value 31", &["20261232"]);
}

#[test]
fn lenient_ds() {
    accepts(Vr::Ds, &["", " 1.5 ", "-0.25\\+3e-4\\.5\\5.", "0", "1E5"]);
    refuses(
        Vr::Ds,
        "no decimal string",
        &["1.9.10.0", "01", "1,5", "e5", ".", "1e", "NaN", "- 1"],
    );
    refuses(Vr::Ds, "maximum length of 16", &["1.234567890123456"]);
}

#[test]
fn lenient_dt() {
    accepts(
        Vr::Dt,
        &[
            "",
            "2026",
            "202601",
            "20260102030405.123456",
            "20260102030405+0100",
            "2026-1200",
            "2026-2027",
            "20260102-",
        ],
    );
    refuses(
        Vr::Dt,
        "does not match pattern",
        &["202", "20260102030405.", "2026010203.5", "x"],
    );
    refuses(Vr::Dt, "month component exceeds 12", &["202613"]);
    refuses(Vr::Dt, "month component cannot be 0", &["202600"]);
    refuses(Vr::Dt, "day component cannot be 0", &["20260100"]);
    refuses(Vr::Dt, "hour component exceeds 23", &["2026010124"]);
    refuses(Vr::Dt, "second component exceeds 60", &["20260101000061"]);
    refuses(
        Vr::Dt,
        "offset from UTC",
        &[
            "20260102030405-0000",
            "20260102030405+1401",
            "20260102030405+0060",
        ],
    );
}

#[test]
fn lenient_is() {
    accepts(Vr::Is, &["", " 12 ", "-2147483648", "+5\\7"]);
    refuses(Vr::Is, "not an integer string", &["1A", "1.0", "+", "1 2"]);
    refuses(Vr::Is, "too large to fit 32 bit integer", &["2147483648"]);
}

#[test]
fn lenient_lo_and_sh() {
    let (sixteen, sixty_four) = ("\u{e4}".repeat(16), "\u{5c71}".repeat(64));
    accepts(Vr::Sh, &["", &sixteen, "a\x1bb", "one\\two"]);
    accepts(Vr::Lo, &["", &sixty_four, "one\\two"]);
    refuses(Vr::Sh, "maximum length of 16", &[&format!("{sixteen}x")]);
    refuses(Vr::Lo, "maximum length of 64", &[&format!("{sixty_four}x")]);
    refuses(Vr::Sh, "invalid character", &["a\nb"]);
    refuses(Vr::Lo, "invalid character", &["a\0b"]);
}

#[test]
fn lenient_lt_and_st() {
    let (short, long) = ("x".repeat(1024), "x".repeat(10_240));
    accepts(Vr::St, &["a\r\nb\\c", &short]);
    accepts(Vr::Lt, &["a\r\nb\\c", &long]);
    refuses(Vr::St, "maximum length of 1024", &[&format!("{short}x")]);
    refuses(Vr::Lt, "maximum length of 10240", &[&format!("{long}x")]);
}

#[test]
fn lenient_pn() {
    accepts(Vr::Pn, &["", "A^B^C^D^E=F^G=H", "A^B\\C^D"]);
    refuses(Vr::Pn, "too many groups", &["A=B=C=D"]);
    refuses(Vr::Pn, "too many components", &["A^B^C^D^E^F"]);
    refuses(Vr::Pn, "maximum length of 64", &[&"x".repeat(65)]);
    refuses(Vr::Pn, "invalid control character", &["A\tB"]);
}

#[test]
fn lenient_tm() {
    accepts(
        Vr::Tm,
        &[
            "",
            "10",
            "1011",
            "101112",
            "101112.123456",
            "10-11",
            "-1011",
            "235960",
        ],
    );
    refuses(
        Vr::Tm,
        "does not match pattern",
        &["1", "10:11", "1011.5", "101112.", "10-11-12"],
    );
    refuses(Vr::Tm, "hour component exceeds 23", &["24"]);
    refuses(Vr::Tm, "minute component exceeds 59", &["1060"]);
    refuses(Vr::Tm, "second component exceeds 60", &["101161"]);
}

#[test]
fn lenient_ui() {
    accepts(Vr::Ui, &["", "1.2.840", "1.0.3\0", "1.2\\1.3"]);
    refuses(Vr::Ui, "invalid characters other than", &["1.2.x", "1-2"]);
    refuses(Vr::Ui, "leading zeros", &["1.02"]);
    refuses(Vr::Ui, "a component can not be empty", &["1..2", "1."]);
    refuses(Vr::Ui, "maximum length of 64", &[&"1".repeat(65)]);
}

#[test]
fn no_rule_for_the_others() {
    for vr in [Vr::Uc, Vr::Ur, Vr::Ut, Vr::Un, Vr::Ob] {
        accepts(vr, &["\0\x01 anything \\ at all", ""]);
    }
}

#[test]
fn strict_rules() {
    for (vr, value, raw_length, reason) in [
        (Vr::Sh, "12345678901234567", 17, "maximum length of 16"),
        (Vr::Cs, "12345678901234567", 17, "maximum length of 16"),
        (Vr::Ae, "12345678901234567", 17, "maximum length of 16"),
        (Vr::As, "12Y", 4, "not 4"),
        (Vr::Da, "20260231", 8, "valid date"),
        (Vr::Da, "20250229", 8, "valid date"),
        (Vr::Dt, "2026x", 6, "valid DateTime"),
        (Vr::Tm, "25", 2, "valid Time"),
        (Vr::Is, "1A", 2, "valid integer string"),
        (Vr::Lo, "a\0", 2, "invalid character"),
        (Vr::Pn, "A=B=C=D", 8, "3 groups"),
        (Vr::Pn, "A^B^C^D^E^F", 12, "5 components"),
        (Vr::Ui, "1.2.x", 6, "Identifier is invalid"),
        (Vr::Fd, "1", 4, "not 8"),
        (Vr::Ul, "1", 6, "not 4"),
        (Vr::Us, "1", 3, "not 2"),
    ] {
        let found = strict(vr, value, raw_length);
        assert!(
            found.is_err_and(|text| text.contains(reason)),
            "{vr:?} {value:?}: {found:?}"
        );
    }
    for (vr, value, raw_length) in [
        (Vr::Da, "20240229", 8),
        (Vr::Cs, "lower", 6),
        (Vr::Ui, "1.02..3", 8),
        (Vr::Us, "1", 2),
        (Vr::Us, "1", 6),
        (Vr::Dt, "2026", 4),
        (Vr::Ut, "anything", 8),
    ] {
        assert_eq!(strict(vr, value, raw_length), Ok(()), "{vr:?} {value:?}");
    }
    for (vr, _) in vr::ALL {
        assert_eq!(strict(vr, "", 0), Ok(()), "empty is allowed for {vr:?}");
    }
}

#[test]
fn uids_as_the_model_takes_them() {
    for text in ["1", "1.2.3", "01.02", "1..2", "1.2 ", "1.2\0"] {
        assert!(is_uid(text), "{text:?}");
    }
    for text in ["", "1.2.", "a", "1-2", " 1", &"1".repeat(65)] {
        assert!(!is_uid(text), "{text:?}");
    }
}

#[test]
fn comments_name_the_tag() {
    assert_eq!(
        lenient_comment(0x0008_0020, Vr::Da, "reason"),
        "DICOM100: (0008,0020) - Content does not validate VR DA: reason"
    );
    assert_eq!(
        strict_comment(0x0020_000D, "StudyInstanceUID", Vr::Ui, "reason"),
        "DICOM100: (0020,000d) - Dicom element 'StudyInstanceUID' failed validation for VR 'UI': reason"
    );
    assert_eq!(
        missing_comment(0x0010_0020),
        "DICOM100: (0010,0020) - The required tag '(0010,0020)' is missing."
    );
}

proptest! {
    #[test]
    fn no_text_panics_and_no_reason_holds_it(text in "\\PC{4,40}", which in 0..vr::ALL.len()) {
        let (vr, _) = vr::ALL[which];
        for reason in [lenient(vr, &text).err(), strict(vr, &text, text.len()).err()].into_iter().flatten() {
            prop_assert!(!reason.contains(&text));
        }
    }
}
