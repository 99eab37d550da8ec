//! Reads `docs/protocol.md`: its examples, tables and headings.

use serde_json::Value;

/// The document, taken apart.
pub struct Document {
    pub sections: Vec<Section>,
}

/// What stands under one heading, up to the next.
pub struct Section {
    pub heading: String,
    /// The headings above, outermost first.
    pub above: Vec<String>,
    pub blocks: Vec<Block>,
    pub tables: Vec<Vec<Row>>,
    /// All lines outside of blocks.
    pub text: String,
}

/// A fenced block.
pub struct Block {
    /// What stands behind the opening fence.
    pub info: String,
    pub line: usize,
    pub text: String,
}

/// A row of a table, its cells trimmed; headings and rulers are left out.
pub type Row = Vec<String>;

impl Document {
    pub fn read() -> Self {
        Self::parse(&super::read("docs/protocol.md"))
    }

    pub fn parse(text: &str) -> Self {
        let mut sections: Vec<Section> = Vec::new();
        let mut above: Vec<(usize, String)> = Vec::new();
        let mut open: Option<Block> = None;
        let mut table: Vec<Row> = Vec::new();
        for (number, line) in text.lines().chain([""]).enumerate() {
            if let Some(mut block) = open.take() {
                if line.trim() == "```" {
                    sections.last_mut().expect("a section").blocks.push(block);
                } else {
                    block.text += line;
                    block.text.push('\n');
                    open = Some(block);
                }
                continue;
            }
            if let Some(row) = row(line) {
                table.push(row);
                continue;
            }
            if !table.is_empty() {
                // The heading and the ruler under it.
                let rows = table.split_off(2.min(table.len()));
                table.clear();
                sections.last_mut().expect("a section").tables.push(rows);
            }
            if let Some(info) = line.trim().strip_prefix("```") {
                let info = info.to_owned();
                open = Some(Block { info, line: number + 1, text: String::new() });
            } else if let Some((level, heading)) = heading(line) {
                above.retain(|(outer, _)| *outer < level);
                let names = above.iter().map(|(_, name)| name.clone()).collect();
                above.push((level, heading.to_owned()));
                sections.push(Section::new(heading, names));
            } else if let Some(section) = sections.last_mut() {
                section.text += line;
                section.text.push('\n');
            }
        }
        assert!(open.is_none(), "a block is not closed");
        Self { sections }
    }

    /// All blocks, with the section in which each stands.
    pub fn blocks(&self) -> impl Iterator<Item = (&Section, &Block)> {
        self.sections.iter().flat_map(|one| one.blocks.iter().map(move |block| (one, block)))
    }

    /// The section under this heading.
    pub fn section(&self, heading: &str) -> &Section {
        let found = self.sections.iter().find(|section| section.heading == heading);
        found.unwrap_or_else(|| panic!("there is no section {heading:?}"))
    }

    /// The sections below this heading, each of which explains what its heading names in back-quotes.
    pub fn below<'a>(&'a self, heading: &'a str) -> impl Iterator<Item = &'a Section> {
        let below = move |one: &&Section| one.above.last().is_some_and(|name| name == heading);
        self.sections.iter().filter(below)
    }

    /// The anchors that headings make, as GitHub does it.
    pub fn anchors(&self) -> Vec<String> {
        let anchor = |section: &Section| {
            let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
            let heading = section.heading.to_lowercase();
            heading.chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
        };
        self.sections.iter().map(anchor).collect()
    }
}

impl Section {
    fn new(heading: &str, above: Vec<String>) -> Self {
        let heading = heading.to_owned();
        let (blocks, tables, text) = (Vec::new(), Vec::new(), String::new());
        Self { heading, above, blocks, tables, text }
    }

    /// The only table, or the first.
    pub fn table(&self) -> &[Row] {
        self.tables.first().unwrap_or_else(|| panic!("{:?} has no table", self.heading))
    }

    /// Whether there is a table at all.
    pub fn has_table(&self) -> bool {
        !self.tables.is_empty()
    }
}

impl Block {
    /// The example, as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("line {}: {error}", self.line))
    }
}

/// What stands in back-quotes.
pub fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let text = line.trim_start_matches('#');
    let level = line.len() - text.len();
    text.strip_prefix(' ').filter(|_| level > 0).map(|text| (level, text.trim()))
}

fn row(line: &str) -> Option<Row> {
    let cells = line.strip_prefix('|')?.strip_suffix('|')?;
    Some(cells.split('|').map(|cell| cell.trim().to_owned()).collect())
}
