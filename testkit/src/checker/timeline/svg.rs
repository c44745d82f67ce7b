//! [`Canvas`]: lanes, bars, bands and a time axis, written as SVG.

use std::fmt::{Display, Write};

const LABELS: f64 = 150.0;
const WIDTH: f64 = 1400.0;
const TOP: f64 = 96.0;
const LANE: f64 = 40.0;
const BAR: f64 = 24.0;
/// What is narrower is still seen.
const LEAST: f64 = 1.5;
/// The letters of the text below that fit in one line.
const COLUMNS: usize = 190;

const STYLE: &str = "
text { font: 12px sans-serif; fill: #111; }
.lane { stroke: #999; stroke-width: 0.5; }
.wait { stroke: #555; stroke-width: 1.5; }
.claim { fill: #1b3a5c; stroke: #000; }
.promise { fill: url(#hatch); stroke: #1b3a5c; }
.view { fill: #fff; stroke: #333; }
.fault { fill: url(#dots); stroke: #b35900; stroke-dasharray: 2 3; }
.violation { fill: none; stroke: #c00; stroke-width: 3; stroke-dasharray: 9 5; }
.claim-text { fill: #fff; }
.axis { stroke: #111; }
";

const PATTERNS: &str = r##"<defs>
<pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="6" height="6" fill="#fff"/><line x1="0" y1="0" x2="0" y2="6" stroke="#1b3a5c" stroke-width="2"/></pattern>
<pattern id="dots" width="7" height="7" patternUnits="userSpaceOnUse"><circle cx="2" cy="2" r="1.1" fill="#b35900"/></pattern>
</defs>"##;

/// From stamps to places.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    origin: u64,
    from: u64,
    until: u64,
}

impl Scale {
    /// A window of a run that began at `origin`.
    pub(super) fn new(origin: u64, (from, until): (u64, u64)) -> Self {
        Self { origin, from, until: until.max(from + 1) }
    }

    fn x(self, stamp: u64) -> f64 {
        let part = (stamp.clamp(self.from, self.until) - self.from) as f64 / (self.until - self.from) as f64;
        LABELS + part * (WIDTH - LABELS)
    }

    /// Place and width of what lasts from one stamp to another; `None` outside of the window.
    fn span(self, from: u64, until: u64) -> Option<(f64, f64)> {
        (from <= self.until && until >= self.from).then(|| {
            let x = self.x(from);
            (x, (self.x(until.max(from)) - x).max(LEAST))
        })
    }

    /// Stamps for the axis, with seconds from the origin, some ten of them at round places.
    fn ticks(self) -> Vec<(u64, String)> {
        let lasts = (self.until - self.from) as f64 / 1e9;
        let rough = lasts / 10.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(rough);
        let begin = (self.from - self.origin.min(self.from)) as f64 / 1e9;
        let digits = usize::try_from((-step.log10().floor()) as i64).unwrap_or(0);
        (0..=12)
            .map(|i| ((begin / step).ceil() + f64::from(i)) * step)
            .take_while(|seconds| *seconds <= begin + lasts)
            .map(|seconds| (self.origin + (seconds * 1e9) as u64, format!("{seconds:.digits$} s")))
            .collect()
    }
}

/// An SVG in the making.
pub(super) struct Canvas {
    scale: Scale,
    lanes: usize,
    body: String,
    /// The text below.
    says: String,
    /// Where the label of the last fault ends, so that labels do not lie on each other.
    labels: [f64; 4],
}

impl Canvas {
    pub(super) fn new(scale: Scale, lanes: usize) -> Self {
        Self { scale, lanes, body: String::new(), says: String::new(), labels: [0.0; 4] }
    }

    fn bottom(&self) -> f64 {
        TOP + self.lanes as f64 * LANE
    }

    /// Writing into a string does not fail.
    fn put(&mut self, what: impl Display) {
        let _ = writeln!(self.body, "{what}");
    }

    fn rect(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64), title: &str) {
        let title = escape(title);
        self.put(format_args!(
            r#"<rect class="{class}" x="{x:.2}" y="{y:.2}" width="{width:.2}" height="{height:.2}"><title>{title}</title></rect>"#
        ));
    }

    fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: &str, text: &str) {
        let text = escape(text);
        self.put(format_args!(
            r#"<text class="{class}" x="{x:.2}" y="{y:.2}" text-anchor="{anchor}">{text}</text>"#
        ));
    }

    /// A lane with its name.
    pub(super) fn lane(&mut self, lane: usize, name: &str) {
        let y = TOP + (lane as f64 + 0.5) * LANE;
        self.put(format_args!(r#"<line class="lane" x1="{LABELS}" y1="{y}" x2="{WIDTH}" y2="{y}"/>"#));
        self.text("name", (LABELS - 8.0, y + 4.0), "end", name);
    }

    /// A thin line in a lane.
    pub(super) fn line(&mut self, lane: usize, from: u64, until: u64, title: &str) {
        let Some((x, width)) = self.scale.span(from, until) else { return };
        let (y, end, title) = (TOP + (lane as f64 + 0.5) * LANE, x + width, escape(title));
        self.put(format_args!(
            r#"<line class="wait" x1="{x:.2}" y1="{y}" x2="{end:.2}" y2="{y}"><title>{title}</title></line>"#
        ));
    }

    /// A bar in a lane, with a text if there is room.
    pub(super) fn bar(&mut self, lane: usize, class: &str, from: u64, until: u64, text: &str, title: &str) {
        let Some((x, width)) = self.scale.span(from, until) else { return };
        let y = TOP + lane as f64 * LANE + (LANE - BAR) / 2.0;
        self.rect(class, (x, y), (width, BAR), title);
        if !text.is_empty() && width > text.chars().count() as f64 * 7.0 + 4.0 {
            self.text(&format!("{class}-text"), (x + width / 2.0, y + BAR / 2.0 + 4.0), "middle", text);
        }
    }

    /// A band across all lanes.
    pub(super) fn band(&mut self, from: u64, until: u64, label: &str, title: &str) {
        let Some((x, width)) = self.scale.span(from, until) else { return };
        let height = self.bottom() - TOP + 12.0;
        self.rect("fault", (x, TOP - 12.0), (width, height), title);
        // In the first row that is free there, else the label is in the title only.
        if let Some(row) = self.labels.iter().position(|end| *end <= x) {
            self.labels[row] = x + label.chars().count() as f64 * 7.0 + 6.0;
            self.text("fault-text", (x, TOP - 18.0 - 14.0 * row as f64), "start", label);
        }
    }

    /// A frame across all lanes, explained below.
    pub(super) fn frame(&mut self, from: u64, until: u64, says: &str) {
        if let Some((x, width)) = self.scale.span(from, until) {
            let height = self.bottom() - TOP + 8.0;
            self.rect("violation", (x - 3.0, TOP - 4.0), (width + 6.0, height), says);
        }
        says.clone_into(&mut self.says);
    }

    pub(super) fn finish(mut self) -> String {
        let bottom = self.bottom() + 14.0;
        self.put(format_args!(
            r#"<line class="axis" x1="{LABELS}" y1="{bottom}" x2="{WIDTH}" y2="{bottom}"/>"#
        ));
        for (stamp, label) in self.scale.ticks() {
            let x = self.scale.x(stamp);
            let end = bottom + 5.0;
            self.put(format_args!(
                r#"<line class="axis" x1="{x:.2}" y1="{bottom}" x2="{x:.2}" y2="{end}"/>"#
            ));
            self.text("tick", (x, bottom + 18.0), "middle", &label);
        }
        let lines = wrap(&self.says);
        for (index, line) in lines.iter().enumerate() {
            self.text("says", (10.0, bottom + 44.0 + 16.0 * index as f64), "start", line);
        }
        let height = bottom + 40.0 + 16.0 * lines.len() as f64;
        let (width, body) = (WIDTH + 30.0, self.body);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\">\n<style>{STYLE}</style>\n{PATTERNS}\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{body}</svg>\n"
        )
    }
}

/// What XML allows, in a text or an attribute.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' => escaped.push(' '),
            // Not even escaped ones are allowed.
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => {
                escaped.push('\u{fffd}')
            }
            letter => escaped.push(letter),
        }
    }
    escaped
}

fn wrap(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < COLUMNS => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
