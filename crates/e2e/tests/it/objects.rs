//! S3Proxy: a real S3-compatible server, whose objects are files that a test can look at and damage.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::ports;
use crate::process::{Program, told, wait_for};

pub(crate) const BUCKET: &str = "forecall";
pub(crate) const LOGIN: &str = "e2e";
pub(crate) const SECRET: &str = "only-for-this-test";

/// A Java program starts in two seconds on an idle machine.
const START: Duration = Duration::from_secs(60);

pub(crate) struct ObjectServer {
    program: Option<Program>,
    port: u16,
    folder: PathBuf,
    starts: u32,
}

impl ObjectServer {
    /// With one empty bucket.
    pub(crate) fn start(folder: &Path) -> Self {
        let mut server = Self {
            program: None,
            port: ports::free(),
            folder: folder.join("objects"),
            starts: 0,
        };
        std::fs::create_dir_all(server.folder.join(BUCKET)).unwrap();
        server.again();
        server
    }

    /// Starts it again, where it was and with what it had.
    pub(crate) fn again(&mut self) {
        self.starts += 1;
        let Self {
            port, folder, starts, ..
        } = self;
        let properties = format!(
            "s3proxy.endpoint=http://127.0.0.1:{port}\ns3proxy.authorization=aws-v4\ns3proxy.identity={LOGIN}\n\
             s3proxy.credential={SECRET}\njclouds.provider=filesystem-nio2\njclouds.filesystem.basedir={}\n",
            folder.display()
        );
        let parent = folder.parent().unwrap();
        let file = parent.join("s3proxy.conf");
        std::fs::write(&file, properties).unwrap();
        let mut command = Command::new(told("FORECALL_E2E_JAVA"));
        command
            .args(["-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp"])
            .arg(format!("{}/*", told("FORECALL_E2E_S3PROXY")))
            .args(["org.gaul.s3proxy.Main", "--properties"])
            .arg(&file);
        let mut program = Program::start(&format!("s3proxy-{starts}"), &mut command, parent);
        let address = (Ipv4Addr::LOCALHOST, *port);
        wait_for("S3Proxy's start", START, || {
            program.check_running();
            TcpStream::connect(address).ok()
        });
        self.program = Some(program);
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut program) = self.program.take() {
            program.kill();
        }
    }

    /// What belongs below `state:` for it.
    pub(crate) fn store(&self, secret: &str) -> String {
        format!(
            "store: {{s3: {{bucket: {BUCKET}, prefix: snapshots, endpoint: \"http://127.0.0.1:{}\", access_key_id: {LOGIN}, \
             secret_access_key: \"{secret}\"}}}}",
            self.port
        )
    }

    /// The files of all objects whose name ends so, in order of their names.
    pub(crate) fn files(&self, ending: &str) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![self.folder.join(BUCKET)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.to_string_lossy().ends_with(ending) {
                    files.push(path);
                }
            }
        }
        files.sort();
        files
    }
}
