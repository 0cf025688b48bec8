//! [`Scanner`]: reads fields from stored bytes and refuses to read past their end.

use super::FormatError;

pub(crate) struct Scanner<'a> {
    left: &'a [u8],
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let Some((head, tail)) = self.left.split_first_chunk::<N>() else {
            return Err(FormatError::Short {
                wanted: N,
                left: self.left.len(),
            });
        };
        self.left = tail;
        Ok(*head)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, FormatError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn flag(&mut self, field: &'static str) -> Result<bool, FormatError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(FormatError::Field {
                field,
                value: other.into(),
            }),
        }
    }

    pub(crate) fn number32(&mut self) -> Result<u32, FormatError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn number64(&mut self) -> Result<u64, FormatError> {
        self.array().map(u64::from_be_bytes)
    }

    /// A run of bytes that its length precedes.
    pub(crate) fn sized(&mut self) -> Result<&'a [u8], FormatError> {
        let length = usize::try_from(self.number32()?).unwrap_or(usize::MAX);
        let Some((head, tail)) = self.left.split_at_checked(length) else {
            return Err(FormatError::Short {
                wanted: length,
                left: self.left.len(),
            });
        };
        self.left = tail;
        Ok(head)
    }

    /// A count of items of at least `item_bytes_min` each; more than can follow is refused before
    /// anything is allocated for them.
    pub(crate) fn count(
        &mut self,
        field: &'static str,
        item_bytes_min: usize,
    ) -> Result<usize, FormatError> {
        let count = self.number32()?;
        let most = self.left.len() / item_bytes_min.max(1);
        match usize::try_from(count) {
            Ok(count) if count <= most => Ok(count),
            _ => Err(FormatError::Field {
                field,
                value: count.into(),
            }),
        }
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.left)
    }

    pub(crate) fn end(self) -> Result<(), FormatError> {
        if self.left.is_empty() {
            Ok(())
        } else {
            Err(FormatError::Trailing(self.left.len()))
        }
    }
}
