//! What stands between the suite and the API server, and may go half-way.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

const OPEN: u8 = 0;
const SILENT: u8 = 1;
const CLOSED: u8 = 2;

/// A way to the API server.
pub struct Proxy {
    pub address: SocketAddr,
    state: Arc<AtomicU8>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    /// A way that is open.
    pub fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (state, streams) = (Arc::new(AtomicU8::new(OPEN)), Arc::<Mutex<Vec<TcpStream>>>::default());
        let (now, held) = (state.clone(), streams.clone());
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                // The listener goes with this loop: whoever comes later is refused.
                if now.load(Ordering::SeqCst) == CLOSED {
                    return;
                }
                let Ok(far) = TcpStream::connect(&server) else { continue };
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (from, to, now) = (from.try_clone().unwrap(), to.try_clone().unwrap(), now.clone());
                    thread::spawn(move || carry(from, to, &now));
                }
                held.lock().unwrap().extend([near, far]);
            }
        });
        Self { address, state, streams }
    }

    /// The API server is gone: what is open breaks off, what comes is refused.
    pub fn close(&self) {
        self.state.store(CLOSED, Ordering::SeqCst);
        // Wakes the one who accepts.
        let _ = TcpStream::connect(self.address);
        for stream in self.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// The network swallows everything: nothing breaks off, nothing arrives.
    pub fn fall_silent(&self) {
        self.state.store(SILENT, Ordering::SeqCst);
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, now: &AtomicU8) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return to.shutdown(Shutdown::Write);
        }
        if now.load(Ordering::SeqCst) == OPEN {
            to.write_all(&buffer[..read])?;
        }
    }
}
