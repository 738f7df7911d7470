//! A wire that can be cut and mended, between a process and a server that knows nothing of it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

pub(crate) struct Proxy {
    address: SocketAddr,
    whole: Arc<AtomicBool>,
    wires: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    /// Whole from the beginning.
    pub(crate) fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (whole, wires) = (Arc::new(AtomicBool::new(true)), Arc::new(Mutex::new(Vec::new())));
        let (server, may, all) = (server.to_string(), whole.clone(), wires.clone());
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if !may.load(Ordering::SeqCst) {
                    continue;
                }
                let far = TcpStream::connect(&server).unwrap();
                for wire in [&near, &far] {
                    all.lock().unwrap().push(wire.try_clone().unwrap());
                }
                for (from, into) in [(near.try_clone(), far.try_clone()), (Ok(far), Ok(near))] {
                    let (from, into) = (from.unwrap(), into.unwrap());
                    std::thread::spawn(move || carry(from, into));
                }
            }
        });
        Self { address, whole, wires }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whatever hangs on it hangs up, and nobody gets through any more.
    pub(crate) fn cut(&self) {
        self.whole.store(false, Ordering::SeqCst);
        for wire in self.wires.lock().unwrap().drain(..) {
            wire.shutdown(Shutdown::Both).ok();
        }
    }

    pub(crate) fn mend(&self) {
        self.whole.store(true, Ordering::SeqCst);
    }
}

fn carry(mut from: TcpStream, mut into: TcpStream) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        if into.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    for wire in [from, into] {
        wire.shutdown(Shutdown::Both).ok();
    }
}
