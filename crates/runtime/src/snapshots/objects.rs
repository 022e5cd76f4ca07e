//! An object store for callers that wait: every call ends, and says which object of which store it was about.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use object_store::path::Path as ObjectPath;
use object_store::{GetResult, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use tokio::runtime::{Builder, Runtime};
use tracing::info;

use crate::host::HostError;

/// One call without much to carry, its retries included.
const CALL_WITHIN: Duration = Duration::from_secs(30);
/// A megabyte may take so long besides: a tenth of a slow link.
const MEBIBYTE_WITHIN: Duration = Duration::from_secs(1);
/// While an object is read, its next bytes must come within this.
const STALL_MAX: Duration = Duration::from_secs(30);
/// How often somebody who waits for a large object hears of it.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// What lies below a folder.
pub(super) struct Listing {
    /// Objects with their sizes.
    pub(super) objects: Vec<(ObjectPath, u64)>,
    /// Folders.
    pub(super) folders: Vec<ObjectPath>,
}

#[derive(Debug, Clone)]
pub(super) struct Objects {
    store: Arc<dyn ObjectStore>,
    runtime: Arc<Runtime>,
    /// What a person calls the store.
    place: String,
    is_remote: bool,
    /// The store itself makes an object only where there is none.
    create_only: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("no answer within {} s", .0.as_secs())]
struct NoAnswer(Duration);

impl Objects {
    /// A store in this process or on this machine.
    pub(super) fn new(store: Arc<dyn ObjectStore>, place: String) -> Result<Self, HostError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        Self::with(store, place, runtime, false, true)
    }

    /// One across the network: its connections live on a thread of their own, whoever waits.
    pub(super) fn remote(
        store: Arc<dyn ObjectStore>,
        place: String,
        create_only: bool,
    ) -> Result<Self, HostError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("snapshot-store")
            .enable_all()
            .build();
        Self::with(store, place, runtime, true, create_only)
    }

    fn with(
        store: Arc<dyn ObjectStore>,
        place: String,
        runtime: std::io::Result<Runtime>,
        is_remote: bool,
        create_only: bool,
    ) -> Result<Self, HostError> {
        let runtime =
            runtime.map_err(|e| super::failed("failed to start the snapshot store".to_owned(), e))?;
        Ok(Self {
            store,
            runtime: Arc::new(runtime),
            place,
            is_remote,
            create_only,
        })
    }

    pub(super) fn place(&self) -> &str {
        &self.place
    }

    pub(super) const fn is_remote(&self) -> bool {
        self.is_remote
    }

    fn failed(
        &self,
        doing: &str,
        path: &ObjectPath,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> HostError {
        let what = format!("failed to {doing} {path} in the snapshot store {}", self.place);
        super::failed(what, source)
    }

    fn wait<T>(
        &self,
        doing: &str,
        path: &ObjectPath,
        bytes: usize,
        call: impl Future<Output = object_store::Result<T>>,
    ) -> Result<object_store::Result<T>, HostError> {
        let mebibytes = u32::try_from(bytes >> 20).unwrap_or(u32::MAX);
        let within = CALL_WITHIN.saturating_add(MEBIBYTE_WITHIN.saturating_mul(mebibytes));
        self.runtime
            .block_on(async { tokio::time::timeout(within, call).await })
            .map_err(|_| self.failed(doing, path, NoAnswer(within)))
    }

    pub(super) fn list(&self, folder: &ObjectPath) -> Result<Listing, HostError> {
        const DOING: &str = "list";
        let listing = self
            .wait(DOING, folder, 0, self.store.list_with_delimiter(Some(folder)))?
            .map_err(|e| self.failed(DOING, folder, e))?;
        Ok(Listing {
            objects: listing
                .objects
                .into_iter()
                .map(|o| (o.location, o.size))
                .collect(),
            folders: listing.common_prefixes,
        })
    }

    /// The bytes of an object; `None`: it isn't there. Who knows its size is told how the reading goes.
    pub(super) fn get(&self, path: &ObjectPath, size: Option<u64>) -> Result<Option<Vec<u8>>, HostError> {
        const DOING: &str = "read";
        let found = match self.wait(DOING, path, 0, self.store.get(path))? {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(self.failed(DOING, path, error)),
        };
        let read = self.runtime.block_on(self.collect(path, found, size));
        read.map(Some)
    }

    async fn collect(
        &self,
        path: &ObjectPath,
        found: GetResult,
        size: Option<u64>,
    ) -> Result<Vec<u8>, HostError> {
        const DOING: &str = "read";
        let whole = found.meta.size;
        let mut bytes = Vec::with_capacity(usize::try_from(whole).unwrap_or(0));
        let mut stream = found.into_stream();
        let begun = Instant::now();
        let mut told = begun;
        while let Some(part) = tokio::time::timeout(STALL_MAX, stream.next())
            .await
            .map_err(|_| self.failed(DOING, path, NoAnswer(STALL_MAX)))?
        {
            bytes.extend_from_slice(&part.map_err(|e| self.failed(DOING, path, e))?);
            if size.is_some() && told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                let done = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                let rate = done / begun.elapsed().as_secs().max(1);
                info!(
                    snapshot = %path,
                    read_mib = done >> 20,
                    of_mib = whole >> 20,
                    mib_per_second = rate >> 20,
                    seconds_left = whole.saturating_sub(done) / rate.max(1),
                    "reading a snapshot"
                );
            }
        }
        Ok(bytes)
    }

    /// Makes an object; one of the name that is there already stays, and must be the same.
    pub(super) fn create(&self, path: &ObjectPath, bytes: Vec<u8>) -> Result<(), HostError> {
        const DOING: &str = "write";
        let payload = PutPayload::from(bytes);
        if !self.create_only && self.wait("look for", path, 0, self.store.head(path))?.is_ok() {
            return self.must_be(path, &payload);
        }
        let mode = if self.create_only {
            PutMode::Create
        } else {
            PutMode::Overwrite
        };
        let put = self.store.put_opts(path, payload.clone(), PutOptions::from(mode));
        match self.wait(DOING, path, payload.content_length(), put)? {
            Ok(_) => Ok(()),
            // Written by a request whose answer was lost, by a zombie that came to the same, or by somebody else.
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                self.must_be(path, &payload)
            }
            Err(error) => Err(self.failed(DOING, path, error)),
        }
    }

    fn must_be(&self, path: &ObjectPath, wanted: &PutPayload) -> Result<(), HostError> {
        let found = self.get(path, None)?.unwrap_or_default();
        let mut rest = found.as_slice();
        let same = wanted.iter().all(|part| {
            rest.strip_prefix(part.as_ref())
                .map(|after| rest = after)
                .is_some()
        });
        if same && rest.is_empty() {
            return Ok(());
        }
        Err(HostError::Settings(format!(
            "{path} is in the snapshot store {} already, with other bytes: it stays as it is",
            self.place
        )))
    }

    /// Writes an object in the place of any that is there.
    pub(super) fn replace(&self, path: &ObjectPath, bytes: Vec<u8>) -> Result<(), HostError> {
        const DOING: &str = "write";
        let size = bytes.len();
        self.wait(DOING, path, size, self.store.put(path, PutPayload::from(bytes)))?
            .map(|_| ())
            .map_err(|e| self.failed(DOING, path, e))
    }

    pub(super) fn delete(&self, path: &ObjectPath) -> Result<(), HostError> {
        const DOING: &str = "remove";
        match self.wait(DOING, path, 0, self.store.delete(path))? {
            // Somebody else did, which is all that is wanted.
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed(DOING, path, error)),
        }
    }
}
