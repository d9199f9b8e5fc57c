//! What the plugin asks of `hardwired`, answered as a test says, and what pools and the kubelet leave on disk.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use hardwire_cni::ask::{Answer, PodAttachment, Question, Reply, Request, SOCKET};
use serde_json::{Value, json};

use super::Plugin;

/// A daemon that knows what a test says, until it is dropped.
#[derive(Debug)]
pub struct FakeDaemon {
    socket: PathBuf,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    /// To every question about a pod's attachments.
    answer: Answer,
    asked: Mutex<Vec<Question>>,
    ends: AtomicBool,
}

// === impl FakeDaemon ===

impl FakeDaemon {
    /// One whose pods all have these attachments: interface, device, network.
    ///
    /// # Panics
    /// If the socket cannot be made.
    pub fn start(state: &Path, attachments: &[(&str, &str, Value)]) -> Self {
        let attachment = |(interface, device, network): &(&str, &str, Value)| PodAttachment {
            device: device.parse().expect("a device"),
            resource: "intel.com/vfs".to_owned(),
            interface: interface.parse().expect("a name"),
            network: network.as_object().cloned().expect("an object"),
            claim: None,
        };
        Self::answering(state, Answer::Attachments(attachments.iter().map(attachment).collect()))
    }

    /// One that says this of whichever pod's attachments.
    ///
    /// # Panics
    /// If the socket cannot be made.
    pub fn answering(state: &Path, answer: Answer) -> Self {
        std::fs::create_dir_all(state).expect("a state directory");
        let socket = state.join(SOCKET);
        let listener = UnixListener::bind(&socket).expect("a socket");
        let shared = Arc::new(Shared {
            answer,
            asked: Mutex::default(),
            ends: AtomicBool::new(false),
        });
        let answering = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if answering.ends.load(Ordering::SeqCst) {
                    break;
                }
                // A plugin that was killed reads no answer.
                drop(answering.answer(&stream));
            }
        });
        Self {
            socket,
            shared,
            thread: Some(thread),
        }
    }

    /// What it was asked until now.
    pub fn asked(&self) -> Vec<Question> {
        self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for FakeDaemon {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        let woken = UnixStream::connect(&self.socket).is_ok();
        drop(std::fs::remove_file(&self.socket));
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            drop(thread.join());
        }
    }
}

impl Shared {
    fn answer(&self, mut stream: &UnixStream) -> std::io::Result<()> {
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        let request: Request = serde_json::from_str(&line)?;
        let answer = match &request.question {
            Question::Attachments { .. } => self.answer.clone(),
            Question::Here => Answer::Here,
            Question::May { .. } => Answer::MayNot("the fake daemon says so".to_owned()),
        };
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(request.question);
        let reply = Reply {
            version: Request::VERSION,
            answer,
        };
        stream.write_all(&serde_json::to_vec(&reply)?)
    }
}

impl Plugin {
    /// The kubelet's device checkpoint of this node.
    pub fn checkpoint(&self) -> PathBuf {
        self.directory().join("kubelet_internal_checkpoint")
    }

    /// Lets the kubelet have given devices to pods: uid, resource, device.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn kubelet_gave(&self, given: &[(&str, &str, &str)]) {
        let entry = |(uid, resource, device): &(&str, &str, &str)| {
            json!({"PodUID": uid, "ContainerName": "main", "ResourceName": resource,
                   "DeviceIDs": {"-1": [device]}, "AllocResp": ""})
        };
        let entries: Vec<Value> = given.iter().map(entry).collect();
        let checkpoint = json!({"Data": {"PodDeviceEntries": entries, "RegisteredDevices": {}}, "Checksum": 1});
        std::fs::write(self.checkpoint(), checkpoint.to_string()).expect("a file");
    }

    /// Leaves what pools say, as `hardwired` does.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn pools_say(&self, pools: &Value) {
        let policies = json!({"version": 1, "checkpoint": self.checkpoint(), "pools": pools});
        std::fs::create_dir_all(self.state()).expect("a state directory");
        std::fs::write(self.policies(), policies.to_string()).expect("a file");
    }

    /// Where they say it.
    pub fn policies(&self) -> PathBuf {
        self.state().join("policies.json")
    }
}
