//! Protobuf's wire format, read in place: just enough to walk messages whose fields are known.

/// One field of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Field<'a> {
    /// A varint: whole numbers, booleans, enums.
    Varint(u64),
    /// Eight bytes, little-endian.
    Fixed64(u64),
    /// A run of bytes: texts, messages, packed lists.
    Bytes(&'a [u8]),
    /// Four bytes.
    Fixed32,
}

/// Nothing usual: the walk gives up, and the full decoder says what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unusual;

/// The fields of one message, in their order on the wire.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    #[inline]
    fn varint(&mut self) -> Result<u64, Unusual> {
        // Tags and most lengths are one byte.
        match self.0.split_first() {
            Some((byte, rest)) if *byte < 0x80 => {
                self.0 = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Unusual> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or(Unusual)?;
            self.0 = rest;
            let part = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit only.
            if shift == 63 && *byte > 1 {
                return Err(Unusual);
            }
            number |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Unusual)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Unusual> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Unusual)?;
        self.0 = rest;
        Ok(taken)
    }

    fn fixed64(&mut self) -> Result<u64, Unusual> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Unusual)?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*taken))
    }

    fn field(&mut self) -> Result<(u32, Field<'a>), Unusual> {
        let tag = u32::try_from(self.varint()?).map_err(|_| Unusual)?;
        let field = match tag & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(self.fixed64()?),
            2 => {
                let len = usize::try_from(self.varint()?).map_err(|_| Unusual)?;
                Field::Bytes(self.take(len)?)
            }
            5 => {
                self.take(4)?;
                Field::Fixed32
            }
            // Groups, and types that don't exist.
            _ => return Err(Unusual),
        };
        if tag >> 3 == 0 {
            return Err(Unusual);
        }
        Ok((tag >> 3, field))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Field<'a>), Unusual>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

/// The field as a text.
pub(super) fn text(field: Field<'_>) -> Result<&str, Unusual> {
    std::str::from_utf8(bytes(field)?).map_err(|_| Unusual)
}

/// The field as bytes.
pub(super) const fn bytes(field: Field<'_>) -> Result<&[u8], Unusual> {
    match field {
        Field::Bytes(bytes) => Ok(bytes),
        Field::Varint(_) | Field::Fixed64(_) | Field::Fixed32 => Err(Unusual),
    }
}

/// The field as a varint.
pub(super) const fn varint(field: Field<'_>) -> Result<u64, Unusual> {
    match field {
        Field::Varint(number) => Ok(number),
        Field::Bytes(_) | Field::Fixed64(_) | Field::Fixed32 => Err(Unusual),
    }
}

/// The field as eight bytes.
pub(super) const fn fixed64(field: Field<'_>) -> Result<u64, Unusual> {
    match field {
        Field::Fixed64(number) => Ok(number),
        Field::Varint(_) | Field::Bytes(_) | Field::Fixed32 => Err(Unusual),
    }
}

/// The field as a float.
pub(super) fn float(field: Field<'_>) -> Result<f64, Unusual> {
    fixed64(field).map(f64::from_bits)
}
