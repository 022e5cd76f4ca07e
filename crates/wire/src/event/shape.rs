//! How a published struct and a struct of `forecall_types` are mapped onto each other, field by field.
//!
//! [`published!`] and [`published_enum!`] write both directions from one list, and each names every field or case of the
//! inner type: a new one breaks the build until somebody decides how it is published.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forecall_types::{Reject, RejectReason};

/// A published shape of `T`.
pub(crate) trait Shape<T>: Sized {
    /// The shape that is written for `inner`.
    fn put(inner: &T) -> Self;
    /// The value that was read, checked.
    fn take(self) -> Result<T, Reject>;
}

/// Puts a field's name before the detail of a refusal, so that the reader finds the place.
pub(crate) fn within(field: &str, reject: Reject) -> Reject {
    let detail = match reject.detail.split_once(": ") {
        // `to: it is empty` in `interval` becomes `interval.to: it is empty`.
        Some((path, _))
            if path
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_.".contains(&b)) =>
        {
            format!("{field}.{}", reject.detail)
        }
        _ => format!("{field}: {}", reject.detail),
    };
    Reject::new(reject.reason, detail)
}

/// A value that was read and can't be.
pub(crate) fn bad(why: impl Into<String>) -> Reject {
    Reject::new(RejectReason::BadValue, why)
}

macro_rules! same {
    ($($t:ty),*) => {$(
        impl Shape<$t> for $t {
            fn put(inner: &$t) -> Self {
                inner.clone()
            }
            fn take(self) -> Result<$t, Reject> {
                Ok(self)
            }
        }
    )*};
}
same!(bool, u32, u64, i32, String);

impl Shape<Arc<str>> for String {
    fn put(inner: &Arc<str>) -> Self {
        inner.as_ref().to_owned()
    }
    fn take(self) -> Result<Arc<str>, Reject> {
        Ok(Arc::from(self))
    }
}

impl<T, S: Shape<T>> Shape<Option<T>> for Option<S> {
    fn put(inner: &Option<T>) -> Self {
        inner.as_ref().map(S::put)
    }
    fn take(self) -> Result<Option<T>, Reject> {
        self.map(S::take).transpose()
    }
}

impl<T, S: Shape<T>> Shape<Vec<T>> for Vec<S> {
    fn put(inner: &Vec<T>) -> Self {
        inner.iter().map(S::put).collect()
    }
    fn take(self) -> Result<Vec<T>, Reject> {
        self.into_iter().map(S::take).collect()
    }
}

impl<T: Ord, S: Shape<T> + Ord> Shape<BTreeSet<T>> for BTreeSet<S> {
    fn put(inner: &BTreeSet<T>) -> Self {
        inner.iter().map(S::put).collect()
    }
    fn take(self) -> Result<BTreeSet<T>, Reject> {
        self.into_iter().map(S::take).collect()
    }
}

impl<K: Ord, T, L: Shape<K> + Ord, S: Shape<T>> Shape<BTreeMap<K, T>> for BTreeMap<L, S> {
    fn put(inner: &BTreeMap<K, T>) -> Self {
        inner.iter().map(|(k, v)| (L::put(k), S::put(v))).collect()
    }
    fn take(self) -> Result<BTreeMap<K, T>, Reject> {
        self.into_iter()
            .map(|(k, v)| Ok((k.take()?, v.take()?)))
            .collect()
    }
}

/// Writes a published struct and its mapping: `published: Shape = inner_field`.
macro_rules! published {
    ($(#[$meta:meta])* $name:ident of $inner:ident {
        $($(#[$field_meta:meta])* $field:ident: $shape:ty = $from:ident,)+
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $shape,)+
        }

        impl $crate::event::shape::Shape<forecall_types::$inner> for $name {
            fn put(inner: &forecall_types::$inner) -> Self {
                Self { $($field: $crate::event::shape::Shape::put(&inner.$from),)+ }
            }
            fn take(self) -> Result<forecall_types::$inner, forecall_types::Reject> {
                Ok(forecall_types::$inner {
                    $($from: $crate::event::shape::Shape::take(self.$field)
                        .map_err(|r| $crate::event::shape::within(stringify!($field), r))?,)+
                })
            }
        }
    };
}
pub(crate) use published;

/// Writes a published enum of plain cases and its mapping; the inner enum has the same cases. Its schema tells readers to
/// expect cases they don't know.
macro_rules! published_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$case_meta:meta])* $case:ident,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord,
            serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "snake_case")]
        #[schemars(extend("x-unknown-values" = "tolerate"))]
        pub enum $name {
            $($(#[$case_meta])* $case,)+
        }

        impl $crate::event::shape::Shape<forecall_types::$name> for $name {
            fn put(inner: &forecall_types::$name) -> Self {
                match inner { $(forecall_types::$name::$case => Self::$case,)+ }
            }
            fn take(self) -> Result<forecall_types::$name, forecall_types::Reject> {
                Ok(match self { $(Self::$case => forecall_types::$name::$case,)+ })
            }
        }
    };
}
pub(crate) use published_enum;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_way_to_the_field() {
        let inner = within("to", bad("it is empty"));
        assert_eq!(within("interval", inner).detail, "interval.to: it is empty");
    }
}
