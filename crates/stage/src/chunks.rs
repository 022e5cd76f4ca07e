use std::sync::Arc;

use serde::de::{SeqAccess, Visitor};
use serde::ser::SerializeSeq as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value that an [`Image`](crate::Image) can hold on to while its owner goes on changing it. Sharing costs no copy; the
/// first change after it does, unless the image is gone by then. Unshared, a change costs one look at a word beside the value:
/// no atomic operation.
#[derive(Debug, Clone, Default)]
pub struct Piece<T> {
    /// One of the two is there; with neither it is `T::default()`.
    own: Option<T>,
    shared: Option<Arc<T>>,
}

impl<T: Clone + Default> Piece<T> {
    /// Of a value of its own.
    pub const fn new(value: T) -> Self {
        Self {
            own: Some(value),
            shared: None,
        }
    }

    /// The value.
    pub fn get(&self) -> Option<&T> {
        self.own.as_ref().or(self.shared.as_deref())
    }

    /// The value, to change.
    pub fn get_mut(&mut self) -> &mut T {
        self.own.get_or_insert_with(|| take_back(&mut self.shared))
    }

    /// The value itself.
    pub fn into_inner(mut self) -> T {
        self.own.unwrap_or_else(|| take_back(&mut self.shared))
    }

    /// The value as it is now, whatever becomes of it.
    #[must_use]
    pub fn share(&mut self) -> Self {
        if let Some(own) = self.own.take() {
            self.shared = Some(Arc::new(own));
        }
        self.clone()
    }
}

#[cold]
fn take_back<T: Clone + Default>(shared: &mut Option<Arc<T>>) -> T {
    shared.take().map(Arc::unwrap_or_clone).unwrap_or_default()
}

/// A list in chunks of `N` (a power of two): it grows without moving what it holds, and [`share`](Self::share) takes it as
/// it is at the price of a few words a chunk. On the wire it is a plain list.
#[derive(Debug, Clone)]
pub struct Chunks<T, const N: usize> {
    chunks: Vec<Piece<Vec<T>>>,
    len: usize,
}

impl<T, const N: usize> Default for Chunks<T, N> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            len: 0,
        }
    }
}

impl<T: Clone, const N: usize> Chunks<T, N> {
    /// How many there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// One of them.
    pub fn get(&self, at: usize) -> Option<&T> {
        self.chunks.get(at / N)?.get()?.get(at % N)
    }

    /// One of them, to change.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.chunks.get_mut(at / N)?.get_mut().get_mut(at % N)
    }

    /// One more.
    pub fn push(&mut self, value: T) {
        if self.len.is_multiple_of(N) {
            self.chunks.push(Piece::new(Vec::with_capacity(N)));
        }
        if let Some(last) = self.chunks.last_mut() {
            last.get_mut().push(value);
            self.len += 1;
        }
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks
            .iter()
            .flat_map(|chunk| chunk.get().into_iter().flatten())
    }

    /// The list as it is now, whatever becomes of it.
    #[must_use]
    pub fn share(&mut self) -> Self {
        Self {
            chunks: self.chunks.iter_mut().map(Piece::share).collect(),
            len: self.len,
        }
    }
}

impl<T: Clone + Serialize, const N: usize> Serialize for Chunks<T, N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.len))?;
        for value in self.iter() {
            list.serialize_element(value)?;
        }
        list.end()
    }
}

impl<'de, T: Clone + Deserialize<'de>, const N: usize> Deserialize<'de> for Chunks<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All<T, const N: usize>(Chunks<T, N>);
        impl<'de, T: Clone + Deserialize<'de>, const N: usize> Visitor<'de> for All<T, N> {
            type Value = Chunks<T, N>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Self::Value, A::Error> {
                while let Some(value) = list.next_element()? {
                    self.0.push(value);
                }
                Ok(self.0)
            }
        }
        deserializer.deserialize_seq(All(Self::default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_shared_stays_as_it_was(
            steps in proptest::collection::vec((0_u8..4, 0_usize..40, any::<u16>()), 0..200)
        ) {
            let (mut list, mut model) = (Chunks::<u16, 4>::default(), Vec::new());
            let mut images: Vec<(Chunks<u16, 4>, Vec<u16>)> = Vec::new();
            for (what, at, value) in steps {
                match what {
                    0 => { list.push(value); model.push(value); }
                    1 => {
                        let place = list.get_mut(at);
                        prop_assert_eq!(place.is_some(), at < model.len());
                        if let (Some(place), Some(wanted)) = (place, model.get_mut(at)) { (*place, *wanted) = (value, value); }
                    }
                    2 => images.push((list.share(), model.clone())),
                    _ => { images.pop(); }
                }
                prop_assert_eq!(list.get(at), model.get(at));
                prop_assert_eq!((list.len(), list.is_empty()), (model.len(), model.is_empty()));
            }
            images.push((list, model));
            for (image, model) in images {
                prop_assert_eq!(image.iter().copied().collect::<Vec<_>>(), model.clone());
                let bytes = postcard::to_stdvec(&image).unwrap();
                prop_assert_eq!(&bytes, &postcard::to_stdvec(&model).unwrap());
                let back: Chunks<u16, 4> = postcard::from_bytes(&bytes).unwrap();
                prop_assert_eq!(back.iter().copied().collect::<Vec<_>>(), model);
            }
        }
    }
}
