//! Value representations (PS3.5 6.2).

/// A value representation. `Vr::Un` also stands for codes this standard does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each variant is its two-letter code")]
pub enum Vr {
    Ae,
    As,
    At,
    Cs,
    Da,
    Ds,
    Dt,
    Fd,
    Fl,
    Is,
    Lo,
    Lt,
    Ob,
    Od,
    Of,
    Ol,
    Ov,
    Ow,
    Pn,
    Sh,
    Sl,
    Sq,
    Ss,
    St,
    Sv,
    Tm,
    Uc,
    Ui,
    Ul,
    Un,
    Ur,
    Us,
    Ut,
    Uv,
}

/// Every VR with its code, in alphabetical order.
pub const ALL: [(Vr, [u8; 2]); 34] = [
    (Vr::Ae, *b"AE"),
    (Vr::As, *b"AS"),
    (Vr::At, *b"AT"),
    (Vr::Cs, *b"CS"),
    (Vr::Da, *b"DA"),
    (Vr::Ds, *b"DS"),
    (Vr::Dt, *b"DT"),
    (Vr::Fd, *b"FD"),
    (Vr::Fl, *b"FL"),
    (Vr::Is, *b"IS"),
    (Vr::Lo, *b"LO"),
    (Vr::Lt, *b"LT"),
    (Vr::Ob, *b"OB"),
    (Vr::Od, *b"OD"),
    (Vr::Of, *b"OF"),
    (Vr::Ol, *b"OL"),
    (Vr::Ov, *b"OV"),
    (Vr::Ow, *b"OW"),
    (Vr::Pn, *b"PN"),
    (Vr::Sh, *b"SH"),
    (Vr::Sl, *b"SL"),
    (Vr::Sq, *b"SQ"),
    (Vr::Ss, *b"SS"),
    (Vr::St, *b"ST"),
    (Vr::Sv, *b"SV"),
    (Vr::Tm, *b"TM"),
    (Vr::Uc, *b"UC"),
    (Vr::Ui, *b"UI"),
    (Vr::Ul, *b"UL"),
    (Vr::Un, *b"UN"),
    (Vr::Ur, *b"UR"),
    (Vr::Us, *b"US"),
    (Vr::Ut, *b"UT"),
    (Vr::Uv, *b"UV"),
];

impl Vr {
    /// The VR with this two-letter code, if the standard has it.
    #[must_use]
    pub fn from_code(code: [u8; 2]) -> Option<Self> {
        Some(match &code {
            b"AE" => Self::Ae,
            b"AS" => Self::As,
            b"AT" => Self::At,
            b"CS" => Self::Cs,
            b"DA" => Self::Da,
            b"DS" => Self::Ds,
            b"DT" => Self::Dt,
            b"FD" => Self::Fd,
            b"FL" => Self::Fl,
            b"IS" => Self::Is,
            b"LO" => Self::Lo,
            b"LT" => Self::Lt,
            b"OB" => Self::Ob,
            b"OD" => Self::Od,
            b"OF" => Self::Of,
            b"OL" => Self::Ol,
            b"OV" => Self::Ov,
            b"OW" => Self::Ow,
            b"PN" => Self::Pn,
            b"SH" => Self::Sh,
            b"SL" => Self::Sl,
            b"SQ" => Self::Sq,
            b"SS" => Self::Ss,
            b"ST" => Self::St,
            b"SV" => Self::Sv,
            b"TM" => Self::Tm,
            b"UC" => Self::Uc,
            b"UI" => Self::Ui,
            b"UL" => Self::Ul,
            b"UN" => Self::Un,
            b"UR" => Self::Ur,
            b"US" => Self::Us,
            b"UT" => Self::Ut,
            b"UV" => Self::Uv,
            _ => return None,
        })
    }

    /// The two-letter code as text.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Ae => "AE",
            Self::As => "AS",
            Self::At => "AT",
            Self::Cs => "CS",
            Self::Da => "DA",
            Self::Ds => "DS",
            Self::Dt => "DT",
            Self::Fd => "FD",
            Self::Fl => "FL",
            Self::Is => "IS",
            Self::Lo => "LO",
            Self::Lt => "LT",
            Self::Ob => "OB",
            Self::Od => "OD",
            Self::Of => "OF",
            Self::Ol => "OL",
            Self::Ov => "OV",
            Self::Ow => "OW",
            Self::Pn => "PN",
            Self::Sh => "SH",
            Self::Sl => "SL",
            Self::Sq => "SQ",
            Self::Ss => "SS",
            Self::St => "ST",
            Self::Sv => "SV",
            Self::Tm => "TM",
            Self::Uc => "UC",
            Self::Ui => "UI",
            Self::Ul => "UL",
            Self::Un => "UN",
            Self::Ur => "UR",
            Self::Us => "US",
            Self::Ut => "UT",
            Self::Uv => "UV",
        }
    }

    pub(crate) fn code_bytes(self) -> [u8; 2] {
        *self.code().as_bytes().first_chunk().unwrap_or(b"UN")
    }

    /// True where explicit VR encodings use two reserved bytes and a 32-bit length (PS3.5 7.1.2).
    #[must_use]
    pub fn has_long_header(self) -> bool {
        matches!(
            self,
            Self::Ob
                | Self::Od
                | Self::Of
                | Self::Ol
                | Self::Ov
                | Self::Ow
                | Self::Sq
                | Self::Sv
                | Self::Uc
                | Self::Un
                | Self::Ur
                | Self::Ut
                | Self::Uv
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_they_are_written() {
        for (vr, code) in ALL {
            assert_eq!(Vr::from_code(code), Some(vr));
            assert_eq!(vr.code_bytes(), code);
        }
        let all: Vec<Vr> = (0..=u16::MAX)
            .filter_map(|code| Vr::from_code(code.to_be_bytes()))
            .collect();
        assert_eq!(all, ALL.map(|(vr, _)| vr));
    }
}
