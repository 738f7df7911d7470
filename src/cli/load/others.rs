//! More copies of each worker, each with connections of its own, as other processes would have.

use anyhow::Result;
use engine::part::Part;
use settings::{Listen, Settings};

use crate::app::System;

pub(super) struct Others(Vec<System>);

impl Others {
    /// Beside one system that has all parts.
    pub(super) async fn start(replicas: u8, settings: &Settings) -> Result<Self> {
        let settings = Settings { listen: Listen::Nowhere, ops_listen: Listen::Nowhere, ..settings.clone() };
        let workers = Part::all().into_iter().filter(|part| matches!(part, Part::Worker(_))).collect();
        let mut others = Vec::new();
        for _ in 1..replicas {
            others.push(System::start(&settings, &workers).await?);
        }
        Ok(Self(others))
    }

    pub(super) async fn stop(self) -> Result<()> {
        for other in self.0 {
            other.stop().await?;
        }
        Ok(())
    }
}
