//! [`Proven`]: which controller is known to have the history that was replayed here. Pure.
//!
//! A controller is believed about what comes next only after its entry where this broker stands was
//! compared with the one replayed here. That costs one page that holds one entry again, when another
//! controller is asked, and after each failure: the process behind an address may be a new one.

use trimaran_metadata::MetadataImage;

use super::replay::next_index;

#[derive(Debug, Default)]
pub(super) struct Proven {
    address: Option<String>,
}

impl Proven {
    /// The first index to ask the controller at `address` for, on top of `image`.
    pub(super) fn first_index(&self, image: &MetadataImage, address: &str) -> u64 {
        if self.is(address) || image.position.index == 0 {
            next_index(image)
        } else {
            image.position.index
        }
    }

    /// Whether a page from `address` that begins at `from` may be replayed: it shows the entry where
    /// `image` stands, or an earlier one has.
    pub(super) fn may_replay(&self, image: &MetadataImage, address: &str, from: u64) -> bool {
        self.is(address) || from <= image.position.index || image.position.index == 0
    }

    /// What came from `address` follows on what was replayed here.
    pub(super) fn prove(&mut self, address: &str) {
        if !self.is(address) {
            self.address = Some(address.to_owned());
        }
    }

    /// Nobody is known to have this history any more.
    pub(super) fn forget(&mut self) {
        self.address = None;
    }

    fn is(&self, address: &str) -> bool {
        self.address.as_deref() == Some(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_controller_shows_the_entry_where_the_broker_stands_first() {
        let image = MetadataImage::default().advance(7, 2);
        let mut proven = Proven::default();
        assert_eq!(proven.first_index(&MetadataImage::default(), "a:1"), 1);
        assert_eq!(proven.first_index(&image, "a:1"), 7);
        assert!(proven.may_replay(&image, "a:1", 7));
        assert!(!proven.may_replay(&image, "a:1", 8));
        proven.prove("a:1");
        assert_eq!(proven.first_index(&image, "a:1"), 8);
        assert!(proven.may_replay(&image, "a:1", 8));
        assert_eq!(proven.first_index(&image, "b:2"), 7);
        assert!(!proven.may_replay(&image, "b:2", 8), "another one answered");
        proven.forget();
        assert_eq!(proven.first_index(&image, "a:1"), 7);
    }
}
