use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::{Dice, Fault, Faults};

/// A store in memory that tears, flips, loses and refuses what it is given, by a seed.
#[derive(Clone)]
pub struct FaultyStore {
    inner: Arc<InMemory>,
    faults: Arc<Mutex<Faults>>,
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyStore").finish_non_exhaustive()
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a store that fails")
    }
}

fn drawn(what: &'static str) -> object_store::Error {
    object_store::Error::Generic {
        store: "drawn",
        source: what.into(),
    }
}

/// Flips one bit.
fn flipped(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let place = dice.place(bytes.len());
    if let Some(byte) = bytes.get_mut(place) {
        *byte ^= 1 << dice.below(8);
    }
    bytes
}

/// The first part, never all of it.
fn torn(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let len = dice.place(bytes.len());
    bytes.get(..len).unwrap_or_default().to_vec()
}

/// All bytes of a payload, which may come in pieces.
fn whole(payload: &PutPayload) -> Vec<u8> {
    payload.iter().flat_map(|piece| piece.iter().copied()).collect()
}

impl FaultyStore {
    /// An empty one.
    pub fn new(dice: Dice) -> Self {
        Self {
            inner: Arc::new(InMemory::new()),
            faults: Arc::new(Mutex::new(Faults::drawn(dice))),
        }
    }

    /// Lets faults strike, or holds them back for a while.
    pub fn arm(&self, is_armed: bool) {
        self.faults().is_armed = is_armed;
    }

    /// Nothing fails from now on; what is damaged stays so.
    pub fn calm(&self) {
        self.faults().calm();
    }

    /// How often each fault has struck.
    pub fn struck(&self) -> BTreeMap<Fault, u64> {
        self.faults().struck()
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What becomes of bytes that are to be written: what is kept (`None`: nothing), and whether the caller is told.
    fn fate(&self, payload: PutPayload) -> (Option<PutPayload>, bool) {
        let mut faults = self.faults();
        if faults.strikes(Fault::SnapshotRefused) {
            let part = faults
                .dice
                .hit(500)
                .then(|| torn(&whole(&payload), &mut faults.dice));
            return (part.map(PutPayload::from), true);
        }
        if faults.strikes(Fault::SnapshotMissing) {
            return (None, false);
        }
        if faults.strikes(Fault::SnapshotTorn) {
            let part = torn(&whole(&payload), &mut faults.dice);
            return (Some(PutPayload::from(part)), false);
        }
        if faults.strikes(Fault::SnapshotFlipped) {
            let bad = flipped(&whole(&payload), &mut faults.dice);
            return (Some(PutPayload::from(bad)), false);
        }
        (Some(payload), false)
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let (kept, told) = self.fate(payload);
        let result = match kept {
            Some(kept) => self.inner.put_opts(path, kept, opts).await?,
            None => PutResult {
                e_tag: None,
                version: None,
                extensions: Default::default(),
            },
        };
        if told {
            return Err(drawn("the object could not be written"));
        }
        Ok(result)
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, opts).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let misread = {
            let mut faults = self.faults();
            if faults.strikes(Fault::StoreDown) {
                return Err(drawn("the object could not be read"));
            }
            faults.strikes(Fault::SnapshotMisread)
        };
        if !misread {
            return self.inner.get_opts(path, options).await;
        }
        let bytes = self
            .inner
            .get_opts(path, GetOptions::default())
            .await?
            .bytes()
            .await?;
        let bad = flipped(&bytes, &mut self.faults().dice);
        let scratch = InMemory::new();
        scratch.put(path, PutPayload::from(bad)).await?;
        scratch.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        if self.faults().strikes(Fault::SnapshotStays) {
            return stream::once(async { Err(drawn("the object could not be removed")) }).boxed();
        }
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        if self.faults().strikes(Fault::StoreDown) {
            return Err(drawn("the store could not be listed"));
        }
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
