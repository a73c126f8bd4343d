//! Every cut of every body gives the same parts.

use longshore_core::error::BodyError;
use longshore_core::multipart::{Event, Limits, Multipart, PADDING_BYTES_MAX, PartHeaders};
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
        ("no parts, as .NET writes them", b"--b\r\n\r\n--b--\r\n", Vec::new()),
        (
            "two parts without anything in them",
            b"--b\r\n\r\n--b\r\n\r\n--b--\r\n",
            vec![(None, Vec::new()), (None, Vec::new())],
        ),
        (
            "a closing delimiter with something else behind it",
            b"--b\r\n\r\none\r\n--b--x\r\n--b\r\n",
            vec![(None, b"one".to_vec())],
        ),
        (
            "line ends of both kinds, a CR of the payload before each",
            b"--b\nContent-Type: application/dicom\r\n\none\r\r\n--b\r\n\ntwo\r\r\n--b--",
            vec![dicom(b"one\r"), (None, b"two\r".to_vec())],
        ),
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

/// The outcome of a body, which must be the same whole, in halves, and byte by byte.
fn outcome(body: &[u8], limits: impl Fn() -> Limits) -> Result<Vec<Part>, BodyError> {
    let whole = split_by("b", &[body], limits());
    for cut in 0..=body.len() {
        let (left, right) = body.split_at(cut);
        let found = split_by("b", &[left, right], limits());
        assert_eq!(found, whole, "cut at byte {cut}");
    }
    let bytes: Vec<&[u8]> = body.chunks(1).collect();
    assert_eq!(split_by("b", &bytes, limits()), whole, "byte by byte");
    whole
}

fn tight() -> Limits {
    Limits {
        part_header_bytes_max: 20,
        part_count_max: 2,
        prologue_bytes_max: 8,
    }
}

#[test]
fn headers_are_limited_at_every_cut() {
    for (length, is_ok) in [(20, true), (21, false), (600, false), (1200, false)] {
        let value = "x".repeat(length - b"A: \r\n\r\n".len());
        let body = format!("..\r\n--b\r\nA: {value}\r\n\r\none\r\n--b--");
        let expected = if is_ok {
            Ok(vec![(None, b"one".to_vec())])
        } else {
            let (offset, bytes_max) = (9, 20);
            Err(BodyError::HeadersTooLong { offset, bytes_max })
        };
        assert_eq!(outcome(body.as_bytes(), tight), expected, "{length} bytes");
    }
    let endless = [b"--b\r\n".as_slice(), &[b'x'; 100]].concat();
    let found = outcome(&endless, tight);
    assert!(
        matches!(found, Err(BodyError::HeadersTooLong { .. })),
        "{found:?}"
    );
}

#[test]
fn the_prologue_is_limited_at_every_cut() {
    let too_long = Err(BodyError::NoDelimiter { bytes_max: 8 });
    for line_end in ["\r\n", "\n"] {
        let exact = format!("12345678{line_end}--b--");
        assert_eq!(outcome(exact.as_bytes(), tight), Ok(Vec::new()));
        let long = format!("123456789{line_end}--b--");
        assert_eq!(outcome(long.as_bytes(), tight), too_long);
    }
    // A body that was declared multipart and is none.
    assert_eq!(outcome(&[0; 200], tight), too_long);
}

#[test]
fn parts_are_limited_at_every_cut() {
    let two = b"--b\n\n\n--b\n\n\n--b--";
    assert_eq!(outcome(two, tight).map(|parts| parts.len()), Ok(2));
    let three = b"--b\n\n\n--b\n\n\n--b\n\n\n--b--";
    let found = outcome(three, tight);
    assert_eq!(found, Err(BodyError::TooManyParts { count_max: 2 }));
}

#[test]
fn padding_is_limited() {
    for (padding, parts) in [(PADDING_BYTES_MAX, 2), (PADDING_BYTES_MAX + 1, 1)] {
        let body = format!("--b\n\none\n--b{}\n\ntwo\n--b--", " ".repeat(padding));
        let found = outcome(body.as_bytes(), limits);
        assert_eq!(found.map(|parts| parts.len()), Ok(parts), "{padding} bytes");
    }
}

#[test]
fn headers_that_mean_something() {
    let headers = |text: &str| {
        let body = format!("--b\r\n{text}\r\n\r\n--b--");
        let mut events = Vec::new();
        let mut reader = Multipart::new(b"b", limits()).unwrap();
        assert!(!reader.is_closed());
        reader.feed(body.as_bytes(), &mut events).unwrap();
        assert!(reader.is_closed());
        match events.swap_remove(0) {
            Event::PartBegin(headers) => headers,
            other => panic!("{other:?}"),
        }
    };
    let found = headers(
        "CONTENT-LENGTH: 530\r\nnot a header\r\n: \r\ncontent-location:\r\n\t/studies/1\r\n\
         Content-Type:a/b;c=\"d:e\"\r\nContent-Type: x/y",
    );
    let expected = PartHeaders {
        content_type: Some("a/b;c=\"d:e\"".to_owned()),
        content_location: Some("/studies/1".to_owned()),
        content_id: None,
        content_length: Some(530),
    };
    assert_eq!(found, expected);
    for length in ["", "+5", "-5", "5 5", "0x5", "99999999999999999999"] {
        let found = headers(&format!("Content-Length: {length}"));
        assert_eq!(found.content_length, None, "{length}");
    }
    assert_eq!(headers("\u{e9}: \u{e9}"), PartHeaders::default());
}

/// Bodies as the clients' own code builds them.
#[test]
fn the_first_and_last_lines_of_clients() {
    for (client, boundary, first, last) in [
        (
            "dicomweb-client JS",
            "8c5a-1f",
            "\r\n--8c5a-1f\r\n",
            "\r\n--8c5a-1f--",
        ),
        (
            "dicomweb-client Python",
            "0f3cf5c0-70e0",
            "\r\n--0f3cf5c0-70e0\r\n",
            "\r\n--0f3cf5c0-70e0--",
        ),
        (
            "dcm4che",
            "myboundary",
            "\r\n--myboundary\r\n",
            "\r\n--myboundary--\r\n",
        ),
        (
            "Orthanc",
            "uuid-uuid",
            "--uuid-uuid\r\n",
            "\r\n--uuid-uuid--",
        ),
        (
            "Weasis",
            "weasisDicomBoundary",
            "--weasisDicomBoundary\r\n",
            "\r\n--weasisDicomBoundary--",
        ),
        (".NET", "6c3d", "--6c3d\r\n", "\r\n--6c3d--\r\n"),
    ] {
        let head = "Content-Type: application/dicom\r\nContent-Length: 3\r\n\r\n";
        let body = format!("{first}{head}one\r\n{}{head}two{last}", first.trim_start());
        for cut in 0..=body.len() {
            let (left, right) = body.as_bytes().split_at(cut);
            let found = split_by(boundary, &[left, right], limits());
            assert_eq!(
                found,
                Ok(vec![dicom(b"one"), dicom(b"two")]),
                "{client}, cut at {cut}"
            );
        }
    }
}

#[test]
fn boundaries_are_checked() {
    let long = "x".repeat(257);
    for boundary in ["", &long, "a\nb", "\u{e9}"] {
        let found = split_by(boundary, &[], limits());
        assert_eq!(found, Err(BodyError::BadBoundary), "{boundary:?}");
    }
    let longest = "x".repeat(256);
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

    /// Whatever is fed, the outcome is a value, and the same in any chunks and within tight limits.
    #[test]
    fn the_chunks_borders_mean_nothing(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "\r", "\n", "\r\n", "--b", "--b--", "--", "-", "b", " ", "A: b", "Content-Type: a/b", "x",
            ]),
            0..30,
        ),
        cuts in prop::collection::vec(0_usize..100, 0..8),
    ) {
        let body = pieces.concat();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(body.len())).collect();
        cuts.extend([0, body.len()]);
        cuts.sort_unstable();
        let body = body.as_bytes();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &body[cut[0]..cut[1]]).collect();
        for limits in [limits, tight] {
            prop_assert_eq!(split_by("b", &chunks, limits()), split_by("b", &[body], limits()));
        }
    }

    #[test]
    fn no_bytes_panic(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..8)) {
        let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        let whole = chunks.concat();
        prop_assert_eq!(split(&chunks), split(&[&whole]));
    }
}
