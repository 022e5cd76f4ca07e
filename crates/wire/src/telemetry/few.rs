//! A few labels of one record, borrowed from its bytes.

/// Labels of a resource kept in place: OpenTelemetry's carry about ten, on Kubernetes twenty. More go the general way.
pub(super) const RESOURCE_LABELS: usize = 32;
/// Labels of a point kept in place: most carry three.
pub(super) const POINT_LABELS: usize = 12;

/// A label's value: a text of the record, or a whole number written out.
#[derive(Debug, Clone, Copy)]
pub(super) enum LabelText<'a> {
    /// As it lies in the record.
    Text(&'a str),
    /// A whole number's digits, the last ones of the array.
    Number([u8; 20], u8),
}

impl LabelText<'_> {
    /// A whole number in its shortest form.
    pub(super) fn number(number: i64) -> Self {
        let mut digits = [b'0'; 20];
        let (mut rest, mut len) = (number.unsigned_abs(), 0_u8);
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            (rest, len) = (rest / 10, len + 1);
            if rest == 0 {
                break;
            }
        }
        if number < 0 {
            // Nineteen digits at most: there is room for the sign.
            len += 1;
            let place = digits.len() - usize::from(len);
            if let Some(sign) = digits.get_mut(place) {
                *sign = b'-';
            }
        }
        Self::Number(digits, len)
    }
}

impl AsRef<str> for LabelText<'_> {
    fn as_ref(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Number(digits, len) => digits
                .get(digits.len() - usize::from(*len)..)
                .and_then(|digits| std::str::from_utf8(digits).ok())
                .unwrap_or_default(),
        }
    }
}

/// Up to `N` labels.
#[derive(Debug, Clone)]
pub(super) struct Few<'a, const N: usize> {
    pairs: [(&'a str, LabelText<'a>); N],
    len: usize,
}

impl<const N: usize> Default for Few<'_, N> {
    fn default() -> Self {
        Self {
            pairs: [("", LabelText::Text("")); N],
            len: 0,
        }
    }
}

impl<'a, const N: usize> Few<'a, N> {
    /// Adds a label; `None` when there is no room.
    pub(super) fn push(&mut self, name: &'a str, value: LabelText<'a>) -> Option<()> {
        *self.pairs.get_mut(self.len)? = (name, value);
        self.len += 1;
        Some(())
    }

    /// The labels in the order given.
    pub(super) fn pairs(&self) -> &[(&'a str, LabelText<'a>)] {
        self.pairs.get(..self.len).unwrap_or_default()
    }

    /// The labels, to be put in order.
    pub(super) fn pairs_mut(&mut self) -> &mut [(&'a str, LabelText<'a>)] {
        self.pairs.get_mut(..self.len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_they_are_elsewhere() {
        for number in [0, 1, -1, 10, 99, -100, i64::MAX, i64::MIN] {
            assert_eq!(LabelText::number(number).as_ref(), number.to_string());
        }
    }
}
