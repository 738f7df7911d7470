//! Publishes as a shop does: one plain message for each command, confirmed.

use std::sync::Arc;

use lapin::{BasicProperties, Connection};

use super::link::{Address, Frames, close, short};
use super::outgoing::{Arrival, Outgoing};
use super::publisher::{Failed, Publisher};
use super::topology::Names;
use super::{Options, Unavailable};

pub struct Outsider {
    connection: Arc<Connection>,
    publisher: Publisher,
    names: Names,
}

impl Outsider {
    pub async fn connect(options: &Options) -> Result<Self, Unavailable> {
        let why = |fault: super::link::Fault| Unavailable(fault.to_string());
        let names = Names::new(&options.prefix).map_err(Unavailable)?;
        let address = Address::new(&options.url, &options.connection_name).map_err(Unavailable)?;
        let connection = Arc::new(address.connect_once("says commands", Frames::Small).await.map_err(why)?);
        let publisher = Publisher::open(connection.clone(), address.login()).await.map_err(why)?;
        Ok(Self { connection, publisher, names })
    }

    /// `Ok` once a queue has it.
    pub async fn say(&self, command: &str, message_id: &str, body: String) -> Result<(), Unavailable> {
        let properties = BasicProperties::default()
            .with_message_id(short(message_id))
            .with_type(short(command))
            .with_content_type(short("application/json"))
            .with_delivery_mode(2);
        let message = Outgoing {
            exchange: short(self.names.commands()),
            key: short(command),
            arrival: Arrival::InAQueue,
            properties,
            body: body.into_bytes(),
        };
        self.publisher.publish(vec![message]).await.map_err(|failed| match failed {
            Failed::Refused(why) | Failed::Broken(why) => Unavailable(why),
        })
    }

    pub async fn close(&self) {
        close(&self.connection).await;
    }
}
