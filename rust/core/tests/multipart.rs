//! Every cut of every body gives the same parts.

use longshore_core::error::BodyError;
use longshore_core::multipart::{Event, Limits, Multipart};
use proptest::prelude::*;

/// A part as it was put together again: content type and payload.
type Part = (Option<String>, Vec<u8>);

fn limits() -> Limits {
    Limits {
        part_header_bytes_max: 1024,
        part_count_max: 100,
        prologue_bytes_max: 1024,
    }
}

fn split_by(boundary: &str, chunks: &[&[u8]], limits: Limits) -> Result<Vec<Part>, BodyError> {
    let mut reader = Multipart::new(boundary.as_bytes(), limits)?;
    let mut parts: Vec<Part> = Vec::new();
    let mut open = false;
    for chunk in chunks {
        let mut events = Vec::new();
        reader.feed(chunk, &mut events)?;
        for event in events {
            match event {
                Event::PartBegin(headers) => {
                    assert!(!open, "a part begins within a part");
                    open = true;
                    parts.push((headers.content_type, Vec::new()));
                }
                Event::Held(bytes) => {
                    assert!(open && !bytes.is_empty());
                    if let Some(part) = parts.last_mut() {
                        part.1.extend(bytes);
                    }
                }
                Event::Data(range) => {
                    assert!(open && !range.is_empty());
                    if let Some(part) = parts.last_mut() {
                        part.1.extend(chunk.get(range).unwrap_or_default());
                    }
                }
                Event::PartEnd => {
                    assert!(open, "a part ends twice");
                    open = false;
                }
            }
        }
    }
    reader.finish()?;
    assert!(!open, "a part never ended");
    Ok(parts)
}

fn split(chunks: &[&[u8]]) -> Result<Vec<Part>, BodyError> {
    split_by("b", chunks, limits())
}

fn dicom(payload: &[u8]) -> Part {
    (Some("application/dicom".to_owned()), payload.to_vec())
}

fn bodies() -> Vec<(&'static str, &'static [u8], Vec<Part>)> {
    vec![
        (
            "two parts",
            b"--b\r\nContent-Type: application/dicom\r\n\r\none\r\n--b\r\nContent-Type: application/dicom\r\n\r\ntwo\r\n--b--\r\n",
            vec![dicom(b"one"), dicom(b"two")],
        ),
        (
            "leading CRLF, no final CRLF",
            b"\r\n--b\r\nContent-Type: application/dicom\r\n\r\none\r\n--b--",
            vec![dicom(b"one")],
        ),
        (
            "prologue and epilogue",
            b"to be ignored\r\n--bc\r\n--b\r\nContent-Type: application/dicom\r\n\r\none\r\n--b--\r\nalso\r\n--b\r\n",
            vec![dicom(b"one")],
        ),
        (
            "bare LF",
            b"--b\nContent-Type: application/dicom\n\none\n--b\n\ntwo\n--b--\n",
            vec![dicom(b"one"), (None, b"two".to_vec())],
        ),
        (
            "no headers, padding behind the boundary, any case, folded header",
            b"--b  \t\r\n\r\none\r\n--b\r\nX: y\r\ncONTENT-tYPE : application/dicom;\r\n  a=b\r\n\r\ntwo\r\n--b--",
            vec![
                (None, b"one".to_vec()),
                (Some("application/dicom; a=b".to_owned()), b"two".to_vec()),
            ],
        ),
        (
            "payloads that look like delimiters",
            b"--b\r\n\r\n\r\n--bx\r\n-\r\n--\r\n--\r\n--b \r\r\n--b -\r\n--b-\r\r\n\n\r\n--b--",
            vec![(None, b"\r\n--bx\r\n-\r\n--\r\n--\r\n--b \r\r\n--b -\r\n--b-\r\r\n\n".to_vec())],
        ),
        (
            "empty parts, with a line end of their own and without",
            b"--b\r\n\r\n\r\n--b\r\nA: b\r\n\r\n--b--",
            vec![(None, Vec::new()), (None, Vec::new())],
        ),
        ("no parts", b"--b--", Vec::new()),
        ("no parts behind a prologue", b"\r\n\r\n--b--\r\n", Vec::new()),
    ]
}

#[test]
fn every_tolerance_at_every_cut() {
    for (name, body, expected) in bodies() {
        assert_eq!(split(&[body]).unwrap(), expected, "{name}");
        for cut in 0..=body.len() {
            let (left, right) = body.split_at(cut);
            assert_eq!(
                split(&[left, right]).unwrap(),
                expected,
                "{name}, cut at byte {cut}"
            );
        }
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        assert_eq!(split(&bytes).unwrap(), expected, "{name}, byte by byte");
    }
}

#[test]
fn a_body_without_its_closing_delimiter_is_an_error() {
    for (name, body, _) in bodies() {
        let closing = body.windows(5).position(|bytes| bytes == b"--b--").unwrap() + 5;
        for end in 0..body.len() {
            let found = split(&[&body[..end]]);
            assert_eq!(
                found.is_ok(),
                end >= closing,
                "{name}, ended at byte {end}: {found:?}"
            );
        }
    }
    assert_eq!(split(&[]), Err(BodyError::Empty));
    assert_eq!(split(&[b"--b\r\n"]), Err(BodyError::Unclosed { offset: 5 }));
}

#[test]
fn limits_hold() {
    let tight = || Limits {
        part_header_bytes_max: 20,
        part_count_max: 2,
        prologue_bytes_max: 8,
    };
    let long = [b"--b\r\nA: ".as_slice(), &[b'x'; 600], b"\r\n\r\n\r\n--b--"].concat();
    for step in [1, 7, 4096] {
        let chunks: Vec<&[u8]> = long.chunks(step).collect();
        let found = split_by("b", &chunks, tight());
        assert!(
            matches!(found, Err(BodyError::HeadersTooLong { bytes_max: 20, .. })),
            "{found:?}"
        );
        let chunks: Vec<&[u8]> = b"123456789\r\n--b--".chunks(step).collect();
        let found = split_by("b", &chunks, tight());
        assert_eq!(found, Err(BodyError::NoDelimiter { bytes_max: 8 }));
        // A delimiter that begins within the limit may end behind it.
        let chunks: Vec<&[u8]> = b"12345678\r\n--b--".chunks(step).collect();
        assert_eq!(
            split_by("b", &chunks, tight()),
            Ok(Vec::new()),
            "in steps of {step}"
        );
    }
    let found = split_by("b", &[b"--b\n\n\n--b\n\n\n--b\n\n\n--b--"], tight());
    assert_eq!(found, Err(BodyError::TooManyParts { count_max: 2 }));
}

#[test]
fn boundaries_are_checked() {
    let long = "x".repeat(71);
    for boundary in ["", &long, "a\nb", "\u{e9}"] {
        let found = split_by(boundary, &[], limits());
        assert_eq!(found, Err(BodyError::BadBoundary), "{boundary:?}");
    }
    let longest = "x".repeat(70);
    let body = format!("--{longest}--");
    assert_eq!(
        split_by(&longest, &[body.as_bytes()], limits()),
        Ok(Vec::new())
    );
}

proptest! {
    /// Payloads made of pieces of delimiters, cut anywhere, come back.
    #[test]
    fn any_parts_in_any_chunks(
        payloads in prop::collection::vec(
            prop::collection::vec(
                prop::sample::select(vec![
                    b"\r".to_vec(), b"\n".to_vec(), b"\r\n".to_vec(), b"--".to_vec(), b"-".to_vec(),
                    b"--boun".to_vec(), b"--boundaryx".to_vec(), b"boundary".to_vec(),
                    b" ".to_vec(), b"data".to_vec(), vec![0, 255],
                ]),
                0..12,
            ),
            0..4,
        ),
        cuts in prop::collection::vec(0_usize..400, 0..8),
    ) {
        let payloads: Vec<Vec<u8>> = payloads.into_iter().map(|pieces| pieces.concat()).collect();
        // What happens to hold a delimiter is not a payload of this boundary.
        let is_clean = |payload: &Vec<u8>| {
            let framed = [b"\n".as_slice(), payload, b"\r\n"].concat();
            let delimiters = [
                "\n--boundary\n", "\n--boundary\r\n", "\n--boundary--", "\n--boundary ",
            ];
            !delimiters.iter().any(|delimiter| {
                framed.windows(delimiter.len()).any(|bytes| bytes == delimiter.as_bytes())
            })
        };
        prop_assume!(payloads.iter().all(is_clean));
        let mut body = Vec::new();
        for payload in &payloads {
            body.extend(b"--boundary\r\nContent-Type: application/dicom\r\n\r\n");
            body.extend(payload);
            body.extend(b"\r\n");
        }
        body.extend(b"--boundary--\r\n");
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(body.len())).collect();
        cuts.extend([0, body.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &body[cut[0]..cut[1]]).collect();
        let expected: Vec<Part> = payloads.iter().map(|payload| dicom(payload)).collect();
        prop_assert_eq!(split_by("boundary", &chunks, limits()).unwrap(), expected);
    }

    #[test]
    fn no_bytes_panic(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..8)) {
        let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        // Whatever the bytes, the outcome is a value.
        let whole = chunks.concat();
        prop_assert_eq!(split(&chunks).is_ok(), split(&[&whole]).is_ok());
    }
}
