//! Context records within a record: count, then each kind (a byte), id, title (a flag, then its string), from, until, and what it
//! matches by (count, then each name and pattern).

use forecall_types::{ContextKind, ContextParts, ContextRecord, EventTime, Reject};

use super::input::Input;
use super::{Tables, bad, len, put, put_signed, too_many};

/// Context records of one record: what a partition of `detect` keeps at most.
pub const CONTEXTS_MAX: usize = 256;

const fn byte_of(kind: ContextKind) -> u8 {
    match kind {
        ContextKind::Deployment => 0,
        ContextKind::ConfigChange => 1,
        ContextKind::LoadTest => 2,
        ContextKind::Maintenance => 3,
    }
}

pub(super) fn put_all<'k>(out: &mut Vec<u8>, tables: &mut Tables<'k>, contexts: &'k [ContextRecord]) {
    put(out, len(contexts.len()));
    for context in contexts {
        let parts = context.parts();
        out.push(byte_of(parts.kind));
        let id = tables.string(&parts.id);
        put(out, id);
        out.push(u8::from(parts.title.is_some()));
        if let Some(title) = &parts.title {
            let title = tables.string(title);
            put(out, title);
        }
        put_signed(out, parts.from.nanos());
        put_signed(out, parts.until.nanos());
        put(out, len(parts.matches.len()));
        for text in parts.matches.iter().flat_map(|(name, pattern)| [name, pattern]) {
            let text = tables.string(text);
            put(out, text);
        }
    }
}

impl<'a> Input<'a> {
    pub(super) fn contexts(
        &mut self,
        strings: &[&'a str],
        into: &mut Vec<ContextRecord>,
    ) -> Result<(), Reject> {
        let count = self.count(7)?;
        if count > CONTEXTS_MAX {
            return Err(too_many(CONTEXTS_MAX, "contexts"));
        }
        for _ in 0..count {
            into.push(self.context(strings)?);
        }
        Ok(())
    }

    fn context(&mut self, strings: &[&'a str]) -> Result<ContextRecord, Reject> {
        let kind = self.byte()?;
        let kind = ContextKind::ALL.into_iter().find(|known| byte_of(*known) == kind);
        let kind = kind.ok_or_else(|| bad("a context is of no known kind"))?;
        let id = (*self.one_of(strings)?).to_owned();
        let title = if self.flag()? {
            Some((*self.one_of(strings)?).to_owned())
        } else {
            None
        };
        let from = EventTime::from_nanos(self.signed()?);
        let until = EventTime::from_nanos(self.signed()?);
        let mut matches = std::collections::BTreeMap::new();
        for _ in 0..self.count(2)? {
            let name = (*self.one_of(strings)?).to_owned();
            matches.insert(name, (*self.one_of(strings)?).to_owned());
        }
        let parts = ContextParts {
            kind,
            id,
            from,
            until,
            matches,
            title,
        };
        ContextRecord::new(parts).map_err(|_| bad("a context is none"))
    }
}
