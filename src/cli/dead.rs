//! Dead letters: nothing was lost, and a person decides, about one letter or about all with the same error.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use engine::dead::{known_code, known_queue, own_first};
use engine::operator::{Edited, Operator};
use settings::Settings;
use store::{Database, DeadLetter, DeadStatus, Letters, Origin};
use view::mask::{Sight, letter_for_people, text_for_people};
use view::visible;

use super::client::Client;
use super::{WrongUsage, paint, progress, words};
use crate::app;

/// How many letters one command handles. If there are more, the command can be repeated.
const LETTERS_MAX: usize = 10_000;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// List what waits for a decision, grouped by error
    #[command(after_help = "Example: checkout dead list --each --code failed")]
    List {
        /// One line for each letter
        #[arg(long)]
        each: bool,
        /// Include those that were dealt with
        #[arg(long)]
        all: bool,
        /// Only those caused by our own trouble, or only those caused by outsiders; default: both
        #[arg(long)]
        origin: Option<Origin>,
        #[command(flatten)]
        group: Group,
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=10_000))]
        limit: u16,
        #[arg(long)]
        json: bool,
    },
    /// Show one dead letter; tokens and addresses are masked, and an edit that leaves the masks sends the originals
    #[command(after_help = "Example: checkout dead show 5f0c1a52-0000-5000-8000-000000000000")]
    Show {
        id: String,
        #[arg(long)]
        json: bool,
    },
    /// Send it to its queue again; if it was handled meanwhile, that is recognised
    #[command(
        after_help = "Example: checkout dead replay --code failed --queue payment --by anna\nExample: checkout dead replay 5f0c1a52-0000-5000-8000-000000000000 --edit corrected.json"
    )]
    Replay {
        #[command(flatten)]
        which: Which,
        /// Send this body instead, under a new id; - reads standard input
        #[arg(long, value_name = "FILE", requires = "id")]
        edit: Option<PathBuf>,
        /// Send it as this type instead, under a new id
        #[arg(long = "as", value_name = "TYPE", requires = "id")]
        kind: Option<String>,
        /// The reason, kept in the journal
        #[arg(long, value_parser = words::reason)]
        why: Option<String>,
        #[arg(long, default_value = "operator", value_parser = words::name)]
        by: String,
        /// Only show what it would cause, and what an edit changes
        #[arg(long, requires = "id")]
        preview: bool,
    },
    /// Discard it for good
    #[command(
        after_help = "Example: checkout dead discard 5f0c1a52-0000-5000-8000-000000000000 --why 'a test'"
    )]
    Discard {
        #[command(flatten)]
        which: Which,
        /// The reason, kept in the journal
        #[arg(long, value_parser = words::reason)]
        why: String,
        #[arg(long, default_value = "operator", value_parser = words::name)]
        by: String,
    },
}

/// One letter, or all that match.
#[derive(clap::Args)]
pub(super) struct Which {
    /// The letter's id, as `dead list --each` shows it
    #[arg(conflicts_with_all = ["all", "code", "queue", "name"])]
    id: Option<String>,
    /// Every open letter
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    group: Group,
}

#[derive(clap::Args)]
pub(super) struct Group {
    /// Those with this error code
    #[arg(long, value_parser = known_code)]
    code: Option<String>,
    /// Those that were meant for this queue
    #[arg(long, value_parser = known_queue)]
    queue: Option<String>,
    /// Those of this message type
    #[arg(long = "type", id = "name", value_name = "TYPE")]
    name: Option<String>,
}

pub(super) async fn run(command: Command, settings: &Settings) -> Result<ExitCode> {
    let store = app::look(settings).await?;
    match command {
        Command::List { each, all, origin, group, limit, json } => {
            let status = (!all).then_some(DeadStatus::Open);
            let wanted = Letters { status, origin, ..group.wanted(limit.into()) };
            let letters = own_first(&*store, wanted).await?.into_iter();
            let letters: Vec<_> = letters.map(|letter| letter_for_people(letter, Sight::Masked)).collect();
            match (json, each) {
                (true, _) => say!("{}", serde_json::to_string_pretty(&letters)?),
                (false, true) => list(&letters),
                (false, false) => list_groups(&letters),
            }
            if letters.len() >= usize::from(limit) && !json {
                say!("{}", paint::dim("there may be more; raise --limit"));
            }
            let evicted = store.vitals().await?.evicted_dead_letters;
            if evicted > 0 && !json {
                say!("{}", paint::dim(&format!("{evicted} older letters of strangers were evicted")));
            }
        }
        Command::Show { id, json } => show(&*store, &id, json).await?,
        Command::Replay { which, edit, kind, why, by, preview } => {
            let edited = match (edit, kind) {
                (None, None) => None,
                (file, name) => Some(Edited { name, body: file.map(|file| read(&file)).transpose()? }),
            };
            if preview {
                return preview_all(settings, &*store, &which.letters(&*store).await?, edited.as_ref()).await;
            }
            let who = Operator { edited, ..Operator::new(by, why.unwrap_or_default()) };
            let client = Client::open(settings, &store).await?;
            let letters = which.letters(&*store).await?;
            return for_each(&letters, "in its queue again", async |id| client.replay(id, &who).await).await;
        }
        Command::Discard { which, why, by } => {
            let who = Operator::new(by, why);
            let client = Client::open(settings, &store).await?;
            let letters = which.letters(&*store).await?;
            return for_each(&letters, "given up", async |id| client.discard(id, &who).await).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Group {
    fn wanted(&self, limit: usize) -> Letters {
        let Self { code, queue, name } = self;
        Letters { code: code.clone(), queue: queue.clone(), name: name.clone(), limit, ..Letters::default() }
    }
}

impl Which {
    /// Oldest first.
    async fn letters(&self, store: &dyn Database) -> Result<Vec<String>> {
        if let Some(id) = &self.id {
            return Ok(vec![id.clone()]);
        }
        let Group { code, queue, name } = &self.group;
        if !self.all && code.is_none() && queue.is_none() && name.is_none() {
            let why = "say which: an id, a group (--code, --queue, --type), or --all";
            return Err(WrongUsage(why.into()).into());
        }
        let wanted = Letters { status: Some(DeadStatus::Open), ..self.group.wanted(LETTERS_MAX) };
        let letters = own_first(store, wanted).await?;
        Ok(letters.into_iter().rev().map(|letter| letter.id).collect())
    }
}

/// Previews each letter of a group independently; nothing is sent.
async fn preview_all(
    settings: &Settings,
    store: &dyn Database,
    letters: &[String],
    edited: Option<&Edited>,
) -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for id in letters {
        if letters.len() > 1 {
            say!("{id}");
        }
        code = preview_one(settings, store, id, edited).await?;
    }
    Ok(code)
}

/// A letter that cannot be dealt with does not stop the others.
async fn for_each(
    letters: &[String],
    done: &str,
    mut deal: impl AsyncFnMut(&str) -> Result<()>,
) -> Result<ExitCode> {
    if let [id] = letters {
        deal(id).await?;
        say!("{id} is {done}");
        return Ok(ExitCode::SUCCESS);
    }
    let bar = progress::bar(letters.len() as u64, "letters");
    let mut failed = Vec::new();
    for id in letters {
        if let Err(why) = deal(id).await {
            failed.push(format!("{id}: {why:#}"));
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    for why in &failed {
        say!("{}", paint::bad(why));
    }
    say!("{} of {} are {done}", letters.len() - failed.len(), letters.len());
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn list(letters: &[DeadLetter]) {
    let rows = letters.iter().map(|letter| {
        let order = letter.order_id.map(|id| id.to_string()).unwrap_or_default();
        vec![
            letter.id.clone(),
            letter.at.to_string(),
            letter.queue.clone(),
            visible(&letter.name).into(),
            visible(&letter.code).into(),
            letter.origin().name().into(),
            order,
        ]
    });
    say!("{}", paint::table(&["id", "at", "queue", "message", "code", "origin", "order"], rows.collect()));
}

/// Groups letters with the same error and queue: they need one decision.
fn list_groups(letters: &[DeadLetter]) {
    let mut groups: BTreeMap<(Origin, &str, &str, &str), Vec<&DeadLetter>> = BTreeMap::new();
    for letter in letters {
        groups.entry((letter.origin(), &letter.code, &letter.queue, &letter.name)).or_default().push(letter);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|((origin, ..), letters)| (*origin, std::cmp::Reverse(letters.len())));
    let rows = groups.iter().map(|((origin, code, queue, name), letters)| {
        let oldest = letters.iter().map(|letter| letter.at).min().unwrap_or_default();
        let (first, why) =
            letters.first().map_or(("", ""), |letter| (letter.id.as_str(), letter.why.as_str()));
        vec![
            letters.len().to_string(),
            origin.name().to_string(),
            paint::bad(&visible(code)),
            (*queue).to_string(),
            visible(name).into(),
            oldest.to_string(),
            first.to_string(),
            visible(why).chars().take(WHY_MAX).collect(),
        ]
    });
    let head = ["letters", "origin", "code", "queue", "message", "since", "the newest", "because"];
    say!("{}", paint::table(&head, rows.collect()));
}

/// What a replay would do, and what its edit changes.
async fn preview_one(
    settings: &Settings,
    store: &dyn Database,
    id: &str,
    edited: Option<&Edited>,
) -> Result<ExitCode> {
    let letter = store.dead_letter(id).await?;
    let letter =
        letter.with_context(|| format!("there is no dead letter {id}; `checkout dead list` shows them"))?;
    let (message, queues) = engine::dead::as_it_would_be(&letter, edited)?;
    let was = text_for_people(&letter.body, Sight::Masked);
    let is = text_for_people(message.json(), Sight::Masked);
    for (field, from, to) in engine::preview::edits(&was, &is) {
        say!("edit      {}", visible(&format!("{field}: {from} → {to}")));
    }
    super::preview::at(settings, store, message, queues).await
}

/// Enough to recognise the reason; `dead show` has all of it.
const WHY_MAX: usize = 100;

async fn show(store: &dyn Database, id: &str, json: bool) -> Result<()> {
    let letter = store.dead_letter(id).await?;
    let letter =
        letter.with_context(|| format!("there is no dead letter {id}; `checkout dead list` shows them"))?;
    let letter = letter_for_people(letter, Sight::Masked);
    if json {
        say!("{}", serde_json::to_string_pretty(&letter)?);
        return Ok(());
    }
    say!("letter   {}  ({:?})", letter.id, letter.status);
    say!("message  {} {}", visible(&letter.name), visible(letter.message_id.as_deref().unwrap_or_default()));
    say!("queue    {}, tried {} times, {}", letter.queue, letter.attempts, letter.at);
    say!("code     {}", paint::bad(&visible(&letter.code)));
    say!("origin   {}", letter.origin().name());
    say!("because  {}", visible(&letter.why));
    say!("body     {}", visible(&letter.body));
    Ok(())
}

fn read(file: &std::path::Path) -> Result<String> {
    let text = match file.as_os_str() == "-" {
        true => std::io::read_to_string(std::io::stdin()),
        false => std::fs::read_to_string(file),
    };
    text.map_err(|why| WrongUsage(format!("cannot read {}: {why}", file.display())).into())
}
