//! Draws a chart to a PNG: axes with round ticks, names, a legend. Letters are those of Latin-1.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "pixels are small numbers, and what is beyond the picture is not drawn"
)]

use std::convert::Infallible;

use embedded_graphics::mono_font::MonoFont;
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::iso_8859_1::FONT_8X13;
use embedded_graphics::mono_font::iso_8859_1::FONT_9X18_BOLD;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Circle;
use embedded_graphics::primitives::Line;
use embedded_graphics::primitives::PrimitiveStyle;
use embedded_graphics::primitives::Rectangle;
use embedded_graphics::text::Alignment;
use embedded_graphics::text::Baseline;
use embedded_graphics::text::Text;
use embedded_graphics::text::TextStyleBuilder;

use super::Kind;
use super::data::Data;
use super::data::bounds;
use super::scale::Scale;
use super::scale::short;

const WIDTH: i32 = 960;
const HEIGHT: i32 = 540;

/// The part that the axes enclose.
const LEFT: i32 = 90;
const TOP: i32 = 76;
const RIGHT: i32 = WIDTH - 30;
const BOTTOM: i32 = HEIGHT - 84;

/// Pixels of a character of labels.
const CHARACTER: i32 = 8;

/// Rows of a table that fit.
const TABLE_ROWS: usize = 20;

/// Bars that can be told apart.
const BARS: usize = 400;

const PAPER: Rgb888 = Rgb888::new(255, 255, 255);
const INK: Rgb888 = Rgb888::new(40, 44, 52);
const FAINT: Rgb888 = Rgb888::new(226, 229, 234);

/// Colours that people who see colours differently can tell apart (Okabe and Ito, https://jfly.uni-koeln.de/color/).
const COLOURS: [Rgb888; 8] = [
    Rgb888::new(0, 114, 178),
    Rgb888::new(230, 159, 0),
    Rgb888::new(0, 158, 115),
    Rgb888::new(213, 94, 0),
    Rgb888::new(204, 121, 167),
    Rgb888::new(86, 180, 233),
    Rgb888::new(120, 110, 20),
    Rgb888::new(70, 70, 70),
];

/// A chart as PNG.
pub(super) fn png(data: &Data, title: &str) -> Result<Vec<u8>, String> {
    let mut canvas = Canvas { pixels: vec![255; (WIDTH * HEIGHT * 3) as usize] };
    canvas.draw(data, title).unwrap_or_else(|never| match never {});
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, WIDTH as u32, HEIGHT as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(|error| error.to_string())?;
    writer.write_image_data(&canvas.pixels).map_err(|error| error.to_string())?;
    writer.finish().map_err(|error| error.to_string())?;
    Ok(bytes)
}

struct Canvas {
    pixels: Vec<u8>,
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(WIDTH as u32, HEIGHT as u32)
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(at, colour) in pixels {
            if (0..WIDTH).contains(&at.x) && (0..HEIGHT).contains(&at.y) {
                let index = ((at.y * WIDTH + at.x) * 3) as usize;
                self.pixels[index..index + 3].copy_from_slice(&[colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}

impl Canvas {
    fn draw(&mut self, data: &Data, title: &str) -> Result<(), Infallible> {
        self.write(title, Point::new(LEFT, 12), Alignment::Left, &FONT_9X18_BOLD)?;
        match data.kind {
            Kind::Line | Kind::Scatter => self.draw_points(data),
            // Bars that are thinner than a pixel would hide each other.
            Kind::Bar if data.labels.len() * data.series.len() > BARS => self.draw_points(data),
            Kind::Bar | Kind::Stacked | Kind::Histogram => self.draw_bars(data),
            Kind::Heatmap => self.draw_heat(data),
            Kind::Table => self.draw_table(data),
        }
    }

    fn draw_points(&mut self, data: &Data) -> Result<(), Infallible> {
        let y = self.draw_y_axis(data, data.kind == Kind::Bar)?;
        self.draw_legend(data)?;
        let places: Vec<f64> = match &data.xs {
            Some(xs) => {
                let (low, high) = bounds(xs.iter().copied());
                let x = Scale::new(low, high, 8);
                for tick in &x.ticks {
                    self.write(&x.label(*tick), Point::new(across(x.place(*tick)), BOTTOM + 8), Alignment::Center, &FONT_8X13)?;
                    self.line(Point::new(across(x.place(*tick)), BOTTOM), Point::new(across(x.place(*tick)), BOTTOM + 4), INK, 1)?;
                }
                xs.iter().map(|value| x.place(*value)).collect()
            }
            None => {
                let last = data.labels.len().saturating_sub(1).max(1) as f64;
                let places: Vec<f64> =
                    (0..data.labels.len()).map(|index| if data.labels.len() == 1 { 0.5 } else { index as f64 / last }).collect();
                self.draw_labels(&data.labels, &places)?;
                places
            }
        };
        let many = data.labels.len() > 300;
        for (index, (_, values)) in data.series.iter().enumerate() {
            let colour = COLOURS[index % COLOURS.len()];
            let mut points: Vec<Point> =
                places.iter().zip(values).filter_map(|(place, value)| Some(Point::new(across(*place), up(y.place((*value)?))))).collect();
            if data.kind != Kind::Scatter {
                if data.xs.is_some() {
                    points.sort_by_key(|point| point.x);
                }
                for pair in points.windows(2) {
                    self.line(pair[0], pair[1], colour, if many { 1 } else { 2 })?;
                }
            }
            if data.kind == Kind::Scatter || points.len() <= 40 {
                let size = if many { 4 } else { 7 };
                for point in points {
                    Circle::with_center(point, size).into_styled(PrimitiveStyle::with_fill(colour)).draw(self)?;
                }
            }
        }
        self.draw_frame(data)
    }

    fn draw_bars(&mut self, data: &Data) -> Result<(), Infallible> {
        let stacked = data.kind == Kind::Stacked;
        let y = self.draw_y_axis(data, true)?;
        self.draw_legend(data)?;
        let count = data.labels.len().max(1) as f64;
        let places: Vec<f64> = (0..data.labels.len()).map(|index| (index as f64 + 0.5) / count).collect();
        self.draw_labels(&data.labels, &places)?;
        let slot = f64::from(RIGHT - LEFT) / count;
        let gap = if data.kind == Kind::Histogram { 1.0 } else { (slot * 0.2).min(24.0) };
        let room = (slot - gap).max(1.0);
        let bars = if stacked { 1.0 } else { data.series.len().max(1) as f64 };
        let wide = (room / bars).clamp(1.0, 120.0);
        for (index, _) in data.labels.iter().enumerate() {
            let (mut above, mut below) = (0.0, 0.0);
            let begin = f64::from(LEFT) + slot * (index as f64 + 0.5) - wide * bars / 2.0;
            for (number, (_, values)) in data.series.iter().enumerate() {
                let Some(value) = values[index] else { continue };
                let base: &mut f64 = if value < 0.0 { &mut below } else { &mut above };
                let from = if stacked { *base } else { 0.0 };
                *base += value;
                let x = if stacked { begin } else { begin + wide * number as f64 };
                let (top, bottom) = (up(y.place((from + value).max(from))), up(y.place((from + value).min(from))));
                let size = Size::new((wide as u32).max(1), (bottom - top).max(1) as u32);
                self.fill(Rectangle::new(Point::new(x as i32, top), size), COLOURS[number % COLOURS.len()])?;
            }
        }
        self.draw_frame(data)
    }

    fn draw_heat(&mut self, data: &Data) -> Result<(), Infallible> {
        let (low, high) = bounds(data.series.iter().flat_map(|(_, values)| values.iter().flatten().copied()));
        let (columns, rows) = (data.labels.len().max(1), data.series.len().max(1));
        let (wide, tall) = (f64::from(RIGHT - LEFT) / columns as f64, f64::from(BOTTOM - TOP) / rows as f64);
        let longest =
            data.series.iter().flat_map(|(_, values)| values.iter().flatten()).map(|value| short(*value).len()).max().unwrap_or(0);
        let written = wide > f64::from(longest as i32 * CHARACTER + 4) && tall > 15.0;
        for (row, (name, values)) in data.series.iter().enumerate() {
            let y = TOP + (row as f64 * tall) as i32;
            if row % ((16.0 / tall).ceil() as usize).max(1) == 0 {
                self.write(&cut(name, 10), Point::new(LEFT - 8, y + (tall / 2.0) as i32 - 6), Alignment::Right, &FONT_8X13)?;
            }
            for (column, value) in values.iter().enumerate() {
                let Some(value) = value else { continue };
                let x = LEFT + (column as f64 * wide) as i32;
                let share = if high > low { (value - low) / (high - low) } else { 1.0 };
                let size = Size::new(((wide - 1.0) as u32).max(1), ((tall - 1.0) as u32).max(1));
                self.fill(Rectangle::new(Point::new(x, y), size), heat(share))?;
                let text = short(*value);
                if written {
                    let colour = if share > 0.55 { PAPER } else { INK };
                    let at = Point::new(x + (wide / 2.0) as i32, y + (tall / 2.0) as i32 - 6);
                    self.write_in(&text, at, Alignment::Center, &FONT_8X13, colour)?;
                }
            }
        }
        let places: Vec<f64> = (0..columns).map(|column| (column as f64 + 0.5) / columns as f64).collect();
        self.draw_labels(&data.labels, &places)?;
        // The key: from the least to the greatest.
        let key = RIGHT - 200;
        for step in 0..100 {
            self.fill(Rectangle::new(Point::new(key + step, 40), Size::new(1, 14)), heat(f64::from(step) / 99.0))?;
        }
        self.write(&short(low), Point::new(key - 6, 40), Alignment::Right, &FONT_8X13)?;
        self.write(&short(high), Point::new(key + 106, 40), Alignment::Left, &FONT_8X13)?;
        self.write(&data.y_name, Point::new(LEFT, 40), Alignment::Left, &FONT_8X13)?;
        self.write(&data.x_name, Point::new(i32::midpoint(LEFT, RIGHT), HEIGHT - 24), Alignment::Center, &FONT_8X13)
    }

    fn draw_table(&mut self, data: &Data) -> Result<(), Infallible> {
        let shown = data.labels.len().min(TABLE_ROWS);
        let columns = data.series.len().min(5);
        let names = 260;
        let wide = (RIGHT - 30 - names) / columns.max(1) as i32;
        self.write(&cut(&data.x_name, 30), Point::new(30, 50), Alignment::Left, &FONT_8X13)?;
        for (column, (name, values)) in data.series.iter().take(columns).enumerate() {
            let x = 30 + names + column as i32 * wide;
            self.write(&cut(name, (wide / CHARACTER - 2) as usize), Point::new(x + 6, 50), Alignment::Left, &FONT_8X13)?;
            let greatest = values.iter().flatten().fold(0.0_f64, |most, value| most.max(value.abs()));
            for (row, value) in values.iter().take(shown).enumerate() {
                let Some(value) = value else { continue };
                let y = 72 + row as i32 * 22;
                let share = if greatest > 0.0 { value.abs() / greatest } else { 0.0 };
                let bar = Rectangle::new(Point::new(x + 4, y), Size::new((share * f64::from(wide - 12)) as u32, 18));
                self.fill(bar, if *value < 0.0 { Rgb888::new(247, 206, 178) } else { Rgb888::new(176, 212, 236) })?;
                self.write(&short(*value), Point::new(x + 10, y + 3), Alignment::Left, &FONT_8X13)?;
            }
        }
        for (row, label) in data.labels.iter().take(shown).enumerate() {
            self.write(&cut(label, (names / CHARACTER - 2) as usize), Point::new(30, 75 + row as i32 * 22), Alignment::Left, &FONT_8X13)?;
        }
        self.line(Point::new(30, 67), Point::new(RIGHT, 67), INK, 1)?;
        let more = data.labels.len() - shown;
        if more > 0 {
            self.write(&format!("and {more} rows more"), Point::new(30, 76 + shown as i32 * 22), Alignment::Left, &FONT_8X13)?;
        }
        Ok(())
    }

    fn draw_y_axis(&mut self, data: &Data, from_zero: bool) -> Result<Scale, Infallible> {
        let (mut low, mut high) = if data.kind == Kind::Stacked {
            let sum = |index: usize, positive: bool| -> f64 {
                data.series.iter().filter_map(|(_, values)| values[index]).filter(|value| (*value >= 0.0) == positive).sum()
            };
            bounds((0..data.labels.len()).flat_map(|index| [sum(index, true), sum(index, false)]))
        } else {
            bounds(data.series.iter().flat_map(|(_, values)| values.iter().flatten().copied()))
        };
        // Bars begin at zero, and lines where zero is not far away.
        if from_zero || (low > 0.0 && low < high * 0.5) {
            low = low.min(0.0);
            high = high.max(0.0);
        }
        let y = Scale::new(low, high, 6);
        for tick in &y.ticks {
            let at = up(y.place(*tick));
            self.line(Point::new(LEFT, at), Point::new(RIGHT, at), FAINT, 1)?;
            self.write(&y.label(*tick), Point::new(LEFT - 8, at - 6), Alignment::Right, &FONT_8X13)?;
        }
        Ok(y)
    }

    /// As many of the labels as fit, the first and every so many.
    fn draw_labels(&mut self, labels: &[String], places: &[f64]) -> Result<(), Infallible> {
        let longest = labels.iter().map(|label| label.chars().count()).max().unwrap_or(1).clamp(1, 16) as i32;
        let fit = ((RIGHT - LEFT) / (longest * CHARACTER + 12)).max(1) as usize;
        // When not half of the labels fit on one line, two lines of them fit twice as many.
        let (every, lines) = if labels.len() <= fit {
            (1, 1)
        } else if labels.len() <= 2 * fit {
            (1, 2)
        } else {
            (labels.len().div_ceil(fit), 1)
        };
        for (number, index) in (0..labels.len()).step_by(every).enumerate() {
            let x = across(places[index]);
            let drop = if lines == 2 && number % 2 == 1 { 16 } else { 0 };
            self.line(Point::new(x, BOTTOM), Point::new(x, BOTTOM + 4 + drop), INK, 1)?;
            let label = cut(&labels[index], 16);
            // The last one would reach beyond the picture.
            let middle = x.min(WIDTH - 4 - label.chars().count() as i32 * CHARACTER / 2);
            self.write(&label, Point::new(middle, BOTTOM + 8 + drop), Alignment::Center, &FONT_8X13)?;
        }
        Ok(())
    }

    /// The name of what is measured and, when there are several series, theirs.
    fn draw_legend(&mut self, data: &Data) -> Result<(), Infallible> {
        self.write(&cut(&data.y_name, 40), Point::new(LEFT, 36), Alignment::Left, &FONT_8X13)?;
        if data.series.len() < 2 {
            return Ok(());
        }
        let mut x = LEFT;
        for (index, (name, _)) in data.series.iter().enumerate() {
            let name = cut(name, 14);
            self.fill(Rectangle::new(Point::new(x, 56), Size::new(12, 12)), COLOURS[index % COLOURS.len()])?;
            self.write(&name, Point::new(x + 16, 55), Alignment::Left, &FONT_8X13)?;
            x += 16 + name.chars().count() as i32 * CHARACTER + 14;
        }
        if data.left_out > 0 {
            self.write(&format!("and {} more", data.left_out), Point::new(x, 55), Alignment::Left, &FONT_8X13)?;
        }
        Ok(())
    }

    fn draw_frame(&mut self, data: &Data) -> Result<(), Infallible> {
        self.line(Point::new(LEFT, TOP), Point::new(LEFT, BOTTOM), INK, 1)?;
        self.line(Point::new(LEFT, BOTTOM), Point::new(RIGHT, BOTTOM), INK, 1)?;
        self.write(&cut(&data.x_name, 60), Point::new(i32::midpoint(LEFT, RIGHT), HEIGHT - 24), Alignment::Center, &FONT_8X13)
    }

    fn line(&mut self, from: Point, to: Point, colour: Rgb888, width: u32) -> Result<(), Infallible> {
        Line::new(from, to).into_styled(PrimitiveStyle::with_stroke(colour, width)).draw(self)
    }

    fn fill(&mut self, area: Rectangle, colour: Rgb888) -> Result<(), Infallible> {
        area.into_styled(PrimitiveStyle::with_fill(colour)).draw(self)
    }

    fn write(&mut self, text: &str, at: Point, alignment: Alignment, font: &MonoFont<'_>) -> Result<(), Infallible> {
        self.write_in(text, at, alignment, font, INK)
    }

    fn write_in(&mut self, text: &str, at: Point, alignment: Alignment, font: &MonoFont<'_>, colour: Rgb888) -> Result<(), Infallible> {
        let style = TextStyleBuilder::new().alignment(alignment).baseline(Baseline::Top).build();
        Text::with_text_style(text, at, MonoTextStyle::new(font, colour), style).draw(self).map(drop)
    }
}

/// The pixel at a share of the width.
fn across(share: f64) -> i32 {
    LEFT + (share * f64::from(RIGHT - LEFT)).round() as i32
}

/// The pixel at a share of the height, from below.
fn up(share: f64) -> i32 {
    BOTTOM - (share * f64::from(BOTTOM - TOP)).round() as i32
}

/// From a light to a dark blue.
fn heat(share: f64) -> Rgb888 {
    let mix = |from: f64, to: f64| (from + (to - from) * share.clamp(0.0, 1.0)) as u8;
    Rgb888::new(mix(226.0, 8.0), mix(238.0, 64.0), mix(248.0, 129.0))
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most { text.to_owned() } else { text.chars().take(most.saturating_sub(2)).collect::<String>() + ".." }
}
