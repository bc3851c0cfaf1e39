//! `bs2 codes`: the catalogue of event codes, and one code explained.

use std::fmt;
use std::process::ExitCode;

use bs2_events::codec::code::{CodeName, Outcome};
use bs2_events::codec::{EventCode, SubjectKind};
use bs2_events::{Error, ErrorKind, Result};
use clap::Args;
use serde::Serialize;

use crate::output::Output;

/// List the event codes, or explain one of them
///
/// The columns of the list are code, name, status of the name, category, outcome and note; a code has a line for each
/// name that it has or had.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Codes {
    /// A number such as 6401 or 0x1901, or a name with or without BS2_EVENT_; all codes if missing
    code: Option<String>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

impl Codes {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let mut output = Output::new();
        match &self.code {
            None => self.list(&mut output)?,
            Some(text) => {
                let explanation = Explanation::new(parse(text)?);
                if self.json {
                    output.json(&explanation)?;
                } else {
                    explanation.print(&mut output)?;
                }
            }
        }
        output.flush()?;
        Ok(ExitCode::SUCCESS)
    }

    fn list(&self, output: &mut Output) -> Result<()> {
        let rows = EventCode::catalogue();
        let width = rows.iter().map(|row| row.name.len()).max().unwrap_or_default();
        for row in rows.iter().map(Row::new) {
            if self.json {
                output.json(&row)?;
                continue;
            }
            let Row { code, name, status, category, outcome, note } = row;
            let outcome = outcome.as_deref().unwrap_or("-");
            let line = format!("{code}  {name:width$}  {status:10}  {category:14}  {outcome:7}  {note}");
            output.line(line.trim_end())?;
        }
        Ok(())
    }
}

/// One name of the catalogue.
#[derive(Serialize)]
struct Row {
    code: String,
    name: &'static str,
    status: String,
    category: String,
    outcome: Option<String>,
    note: &'static str,
}

impl Row {
    fn new(row: &CodeName) -> Self {
        Self {
            code: number(row.code),
            name: row.name,
            status: row.status.to_string(),
            category: row.category.to_string(),
            outcome: outcome(row.code),
            note: row.note,
        }
    }
}

/// All that is known of one code.
#[derive(Serialize)]
struct Explanation {
    code: String,
    number: u16,
    name: Option<&'static str>,
    main: String,
    main_name: Option<&'static str>,
    sub: u8,
    category: Option<String>,
    outcome: Option<String>,
    subject: Subject,
    /// Every name of this very code, the present one first.
    names: Vec<Name>,
    /// The codes under a main code.
    sub_codes: Vec<SubCode>,
}

#[derive(Serialize)]
struct Subject {
    kind: String,
    confidence: String,
}

#[derive(Serialize)]
struct Name {
    name: &'static str,
    status: String,
    note: &'static str,
}

#[derive(Serialize)]
struct SubCode {
    code: String,
    name: &'static str,
}

impl Explanation {
    fn new(code: EventCode) -> Self {
        let below = |row: &&CodeName| code.sub() == 0 && row.code.main() == code && row.code != code;
        let mut sub_codes: Vec<EventCode> =
            EventCode::catalogue().iter().filter(below).map(|row| row.code).collect();
        sub_codes.dedup();
        Self {
            code: number(code),
            number: code.get(),
            name: code.name(),
            main: number(code.main()),
            main_name: code.main_name(),
            sub: code.sub(),
            category: code.category().map(|category| category.to_string()),
            outcome: outcome(code),
            subject: Subject {
                kind: SubjectKind::of(code).to_string(),
                confidence: SubjectKind::confidence(code).to_string(),
            },
            names: code.names().iter().map(Name::new).collect(),
            sub_codes: sub_codes.into_iter().filter_map(SubCode::new).collect(),
        }
    }

    fn print(&self, output: &mut Output) -> Result<()> {
        let mut pair = |label: &str, value: &str| output.line(format!("{label:12}{value}").trim_end());
        pair("code", &format!("{} ({})", self.code, self.number))?;
        match (self.name, self.names.as_slice()) {
            (None, _) => pair("name", "unknown: the catalogue has none for this code")?,
            (Some(name), []) => {
                pair("name", &format!("{name}, as the main code; sub code {} is unknown", self.sub))?;
            }
            (Some(_), [name, others @ ..]) => {
                pair("name", &name.to_string())?;
                others.iter().try_for_each(|name| pair("other name", &name.to_string()))?;
            }
        }
        pair("main code", &format!("{} {}", self.main, self.main_name.unwrap_or("unknown")))?;
        pair("sub code", &self.sub.to_string())?;
        pair("category", self.category.as_deref().unwrap_or("unknown"))?;
        pair("outcome", self.outcome.as_deref().unwrap_or("neither granted nor denied"))?;
        pair("subject", &format!("{} ({} confidence)", self.subject.kind, self.subject.confidence))?;
        for (index, SubCode { code, name }) in self.sub_codes.iter().enumerate() {
            pair(if index == 0 { "sub codes" } else { "" }, &format!("{code} {name}"))?;
        }
        Ok(())
    }
}

impl Name {
    fn new(row: &CodeName) -> Self {
        Self { name: row.name, status: row.status.to_string(), note: row.note }
    }
}

/// The name, its status and its note.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.status)?;
        if self.note.is_empty() { Ok(()) } else { write!(f, ": {}", self.note) }
    }
}

impl SubCode {
    fn new(code: EventCode) -> Option<Self> {
        Some(Self { code: number(code), name: code.name()? })
    }
}

/// The code that a number or a name stands for; an error suggests names that are like it.
fn parse(text: &str) -> Result<EventCode> {
    text.parse().map_err(|error| {
        let near = near_names(text);
        let message = format!("cannot explain {text:?}");
        if near.is_empty() {
            Error::new(ErrorKind::NotFound, message).with_source(error)
        } else {
            Error::new(ErrorKind::NotFound, format!("{message}: near names are {}", near.join(", ")))
        }
    })
}

/// The names that contain the text or differ from it by a slip, the nearest first.
fn near_names(text: &str) -> Vec<&'static str> {
    let text = text.to_ascii_uppercase();
    let text = text.trim_start_matches("BS2_").trim_start_matches("SUB_").trim_start_matches("EVENT_");
    if text.is_empty() {
        return Vec::new();
    }
    let mut near: Vec<_> = EventCode::catalogue()
        .iter()
        .flat_map(|row| [Some(row.name), row.sub_name])
        .flatten()
        .map(|name| (strsim::normalized_damerau_levenshtein(name, text), name))
        .filter(|(likeness, name)| *likeness >= LIKE || name.contains(text))
        .collect();
    near.sort_by(|(a, one), (b, other)| b.total_cmp(a).then(one.cmp(other)));
    near.dedup();
    near.into_iter().map(|(_, name)| name).take(NEAR_NAMES).collect()
}

/// How like a name must be to be worth suggesting, from 0 to 1: two slips in a name of ten letters.
const LIKE: f64 = 0.75;

/// More would no longer be one sentence.
const NEAR_NAMES: usize = 5;

/// A code as `0x` and four digits.
fn number(code: EventCode) -> String {
    format!("0x{:04X}", code.get())
}

/// What a code decided; `None` for what decides nothing.
fn outcome(code: EventCode) -> Option<String> {
    match code.outcome() {
        Outcome::Neither => None,
        outcome => Some(outcome.to_string()),
    }
}

const AFTER_HELP: &str = "\
Examples:
  bs2 codes | grep DOOR
  bs2 codes 0x1901
  bs2 codes ACCESS_DENIED";
