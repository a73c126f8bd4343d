//! VRs of attributes whose encoding does not state them (PS3.5 6.2, PS3.6).

use dicom_core::dictionary::{DataDictionary as _, DataDictionaryEntry, VirtualVr};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::StandardDataDictionary;

use crate::tag;
use crate::vr::Vr;

/// The VR of `tag` where the encoding leaves it open: Implicit VR, or explicit `UN`.
///
/// `is_signed` is the data set's Pixel Representation, which decides between US and SS. Unknown and
/// private attributes are `UN`.
#[must_use]
pub fn vr_of(attribute: u32, is_signed: bool) -> Vr {
    if tag::is_private(attribute) {
        return if tag::is_private_creator(attribute) {
            Vr::Lo
        } else {
            Vr::Un
        };
    }
    if tag::is_group_length(attribute) {
        return Vr::Ul;
    }
    let tag = Tag(tag::group(attribute), tag::element(attribute));
    let Some(entry) = StandardDataDictionary.by_tag(tag) else {
        return Vr::Un;
    };
    match entry.vr() {
        VirtualVr::Exact(vr) => known(vr),
        VirtualVr::Xs => {
            if is_signed {
                Vr::Ss
            } else {
                Vr::Us
            }
        }
        // Implicit VR pixel data and LUT data are OW (PS3.5 A.1).
        VirtualVr::Ox | VirtualVr::Px | VirtualVr::Lt => Vr::Ow,
        _ => Vr::Un,
    }
}

/// The keyword of a standard attribute (PS3.6).
#[must_use]
pub fn keyword_of(attribute: u32) -> Option<&'static str> {
    let tag = Tag(tag::group(attribute), tag::element(attribute));
    StandardDataDictionary
        .by_tag(tag)
        .map(DataDictionaryEntry::alias)
}

fn known(vr: VR) -> Vr {
    Vr::from_code(vr.to_bytes()).unwrap_or(Vr::Un)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_private_and_unknown() {
        assert_eq!(vr_of(0x0010_0010, false), Vr::Pn);
        assert_eq!(vr_of(0x0028_0106, false), Vr::Us);
        assert_eq!(vr_of(0x0028_0106, true), Vr::Ss);
        assert_eq!(vr_of(0x7FE0_0010, false), Vr::Ow);
        assert_eq!(vr_of(0x0009_0010, false), Vr::Lo);
        assert_eq!(vr_of(0x0009_1001, false), Vr::Un);
        assert_eq!(vr_of(0x0008_0000, false), Vr::Ul);
        assert_eq!(vr_of(0x6002_3000, false), Vr::Ow);
        assert_eq!(keyword_of(0x0010_0010), Some("PatientName"));
    }
}
