//! [`Leave`]: how a leadership is given up.

use rand::Rng;

/// How a leadership is given up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Leave {
    /// By a resignation.
    Resign,
    /// By a drop.
    Drop,
    /// It is not.
    Stay,
}

impl Leave {
    /// With these probabilities it is given up by a resignation, or by a drop.
    pub fn draw(rng: &mut impl Rng, resign: f64, drop: f64) -> Self {
        let drawn: f64 = rng.random_range(0.0..1.0);
        if drawn < resign {
            Self::Resign
        } else if drawn < resign + drop {
            Self::Drop
        } else {
            Self::Stay
        }
    }
}
