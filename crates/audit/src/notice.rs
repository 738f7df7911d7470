//! A customer gets one notice of an event on each channel, and no notice that no worker decided to send.

use anyhow::Result;

use super::case::Case;
use super::document::list;
use super::pace::paced;
use super::world::World;
use super::{Books, Claim, Findings, PAGE};

pub(super) fn judge(case: &Case, world: &mut World, findings: &mut Findings) {
    for (key, notice) in &case.notices {
        for channel in list(notice, "channels").iter().filter_map(|channel| channel.as_str()) {
            let sent = world.take_sent(channel, &format!("{key}/{channel}"));
            // Until everything has arrived it may be in flight; a refused one is a dead letter.
            let may_be_missing = !world.at_rest || world.dead_lettered(&case.id);
            findings.check(Claim::N1, sent || may_be_missing, || format!("{channel} never sent {key}"));
        }
    }
}

/// What was sent and belongs to no notice of ours. Read a second time only to name it.
pub(super) async fn nobodys(world: &World, books: &dyn Books, findings: &mut Findings) -> Result<()> {
    let mut after = 0;
    while world.anything_left_over() {
        let page = paced(books.sent(after, PAGE)).await?;
        for notice in &page {
            if world.left_over(&notice.channel, &notice.key) {
                findings.check(Claim::N1, false, || {
                    format!("{} sent {}, which we have no record of", notice.channel, notice.key)
                });
            }
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = last.no,
            _ => return Ok(()),
        }
    }
    Ok(())
}
