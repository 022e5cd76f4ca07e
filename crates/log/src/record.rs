use std::fmt;
use std::sync::Arc;

use forecall_types::EventTime;

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// Topic.
    pub topic: Arc<str>,
    /// Partition, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// A partition of a topic.
    pub fn new(topic: &str, partition: i32) -> Self {
        Self {
            topic: Arc::from(topic),
            partition,
        }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

/// Name and bytes of a header.
pub type Header<'a> = (&'a str, &'a [u8]);

/// Reads the headers of a record when it is asked for them.
pub trait HeaderSource {
    /// The headers, in order.
    fn headers(&self) -> &[Header<'_>];
}

/// Headers of a record. A log may leave them unread: of most records nobody looks at them.
#[derive(Clone, Copy)]
pub enum Headers<'a> {
    /// As they are.
    Read(&'a [Header<'a>]),
    /// Read at the first look.
    Unread(&'a dyn HeaderSource),
}

impl<'a> Headers<'a> {
    /// The headers, in order.
    pub fn get(self) -> &'a [Header<'a>] {
        match self {
            Self::Read(headers) => headers,
            Self::Unread(source) => source.headers(),
        }
    }
}

impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// A record as it stands on the log; borrowed, so that it is decoded in place.
#[derive(Debug, Clone, Copy)]
pub struct RecordRef<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// When the log took it (or when its producer says it was made, where the topic is set so).
    pub appended_at: EventTime,
    /// Key.
    pub key: Option<&'a [u8]>,
    /// Value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Headers, in order.
    pub headers: Headers<'a>,
}

impl RecordRef<'_> {
    /// Bytes of key and value.
    pub fn len(&self) -> usize {
        self.key.map_or(0, <[u8]>::len) + self.value.map_or(0, <[u8]>::len)
    }

    /// Whether key and value have no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of the first header of this name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers
            .get()
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, v)| *v)
    }
}

/// A record to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutRecord {
    /// Topic.
    pub topic: Arc<str>,
    /// Partition, or by the key's hash (murmur2, as Kafka's Java client).
    pub partition: Option<i32>,
    /// Key.
    pub key: Option<Vec<u8>>,
    /// Value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl OutRecord {
    /// A keyed record without headers.
    pub fn new(topic: &str, key: Vec<u8>, value: Vec<u8>) -> Self {
        Self {
            topic: Arc::from(topic),
            partition: None,
            key: Some(key),
            value: Some(value),
            headers: Vec::new(),
        }
    }

    /// Bytes of key, value and headers: what it counts towards a limit.
    pub fn len(&self) -> usize {
        self.key.as_ref().map_or(0, Vec::len)
            + self.value.as_ref().map_or(0, Vec::len)
            + self.headers.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>()
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
