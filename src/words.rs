//! A digest as 32 words that a person reads aloud or types: the PGP word list (Juola and Zimmermann, 1995), two
//! syllables for the bytes at even places and three for those at odd ones, so that a swapped or dropped word shows.

use crate::digest::Digest;

/// The words of a digest in their order: word 1 spells the first byte.
#[must_use]
pub fn words(digest: &Digest) -> [&'static str; 32] {
    let mut words = [""; 32];
    for ((word, byte), list) in words.iter_mut().zip(digest.as_bytes()).zip([EVEN, ODD].into_iter().cycle()) {
        // Each list has a word for every byte: a test pins both.
        *word = list.split_ascii_whitespace().nth(usize::from(*byte)).unwrap_or_default();
    }
    words
}

/// The words as they are printed: eight lines of four, numbered from 1, no line longer than 80 columns.
#[must_use]
pub fn table(digest: &Digest) -> Vec<String> {
    let words = words(digest);
    let (rows, _) = words.as_chunks::<4>();
    let line = |(row, words): (usize, &[&str; 4])| {
        let numbered =
            words.iter().zip(row * 4 + 1..).map(|(word, number)| format!("{number:>4} {word:<12}"));
        numbered.collect::<String>().trim_end().to_owned()
    };
    rows.iter().enumerate().map(line).collect()
}

/// How many words of the list were typed, where nothing else was; `None` where something is no word of it.
#[must_use]
pub fn count(typed: &str) -> Option<usize> {
    let is_word = |word: &str| {
        [EVEN, ODD]
            .iter()
            .any(|list| list.split_ascii_whitespace().any(|known| known.eq_ignore_ascii_case(word)))
    };
    let words = || {
        typed
            .split(|letter: char| letter.is_ascii_whitespace() || letter == ',')
            .filter(|word| !word.is_empty())
    };
    words().all(is_word).then(|| words().count())
}

/// Whether a person typed exactly these words; letter case, blanks and commas do not matter.
#[must_use]
pub fn same(typed: &str, words: &[&str]) -> bool {
    fn letters(text: &str) -> impl Iterator<Item = char> {
        text.chars()
            .filter(|letter| !letter.is_ascii_whitespace() && *letter != ',')
            .map(|letter| letter.to_ascii_lowercase())
    }
    letters(typed).eq(words.iter().flat_map(|word| letters(word)))
}

/// Bytes at places 0, 2, 4 and so on.
const EVEN: &str = "
    aardvark absurd accrue acme adrift adult afflict ahead aimless Algol allow alone ammo ancient apple
    artist assume Athens atlas Aztec baboon backfield backward banjo beaming bedlamp beehive beeswax
    befriend Belfast berserk billiard bison blackjack blockade blowtorch bluebird bombast bookshelf brackish
    breadline breakup brickyard briefcase Burbank button buzzard cement chairlift chatter checkup chisel
    choking chopper Christmas clamshell classic classroom cleanup clockwork cobra commence concert cowbell
    crackdown cranky crowfoot crucial crumpled crusade cubic dashboard deadbolt deckhand dogsled dragnet
    drainage dreadful drifter dropper drumbeat drunken Dupont dwelling eating edict egghead eightball
    endorse endow enlist erase escape exceed eyeglass eyetooth facial fallout flagpole flatfoot flytrap
    fracture framework freedom frighten gazelle Geiger glitter glucose goggles goldfish gremlin guidance
    hamlet highchair hockey indoors indulge inverse involve island jawbone keyboard kickoff kiwi klaxon
    locale lockup merit minnow miser Mohawk mural music necklace Neptune newborn nightbird Oakland obtuse
    offload optic orca payday peachy pheasant physique playhouse Pluto preclude prefer preshrunk printer
    prowler pupil puppy python quadrant quiver quota ragtime ratchet rebirth reform regain reindeer rematch
    repay retouch revenge reward rhythm ribcage ringbolt robust rocker ruffled sailboat sawdust scallion
    scenic scorecard Scotland seabird select sentence shadow shamrock showgirl skullcap skydive slingshot
    slowdown snapline snapshot snowcap snowslide solo southward soybean spaniel spearhead spellbind spheroid
    spigot spindle spyglass stagehand stagnate stairway standard stapler steamship sterling stockman
    stopwatch stormy sugar surmount suspense sweatband swelter tactics talon tapeworm tempest tiger tissue
    tonic topmost tracker transit trauma treadmill Trojan trouble tumor tunnel tycoon uncut unearth unwind
    uproot upset upshot vapor village virus Vulcan waffle wallet watchword wayside willow woodlark Zulu
";

/// Bytes at places 1, 3, 5 and so on.
const ODD: &str = "
    adroitness adviser aftermath aggregate alkali almighty amulet amusement antenna applicant Apollo
    armistice article asteroid Atlantic atmosphere autopsy Babylon backwater barbecue belowground bifocals
    bodyguard bookseller borderline bottomless Bradbury bravado Brazilian breakaway Burlington businessman
    butterfat Camelot candidate cannonball Capricorn caravan caretaker celebrate cellulose certify
    chambermaid Cherokee Chicago clergyman coherence combustion commando company component concurrent
    confidence conformist congregate consensus consulting corporate corrosion councilman crossover crucifix
    cumbersome customer Dakota decadence December decimal designing detector detergent determine dictator
    dinosaur direction disable disbelief disruptive distortion document embezzle enchanting enrollment
    enterprise equation equipment escapade Eskimo everyday examine existence exodus fascinate filament
    finicky forever fortitude frequency gadgetry Galveston getaway glossary gossamer graduate gravity
    guitarist hamburger Hamilton handiwork hazardous headwaters hemisphere hesitate hideaway holiness
    hurricane hydraulic impartial impetus inception indigo inertia infancy inferno informant insincere
    insurgent integrate intention inventive Istanbul Jamaica Jupiter leprosy letterhead liberty maritime
    matchmaker maverick Medusa megaton microscope microwave midsummer millionaire miracle misnomer molasses
    molecule Montana monument mosquito narrative nebula newsletter Norwegian October Ohio onlooker opulent
    Orlando outfielder Pacific pandemic Pandora paperweight paragon paragraph paramount passenger pedigree
    Pegasus penetrate perceptive performance pharmacy phonetic photograph pioneer pocketful politeness
    positive potato processor provincial proximate puberty publisher pyramid quantity racketeer rebellion
    recipe recover repellent replica reproduce resistor responsive retraction retrieval retrospect revenue
    revival revolver sandalwood sardonic Saturday savagery scavenger sensation sociable souvenir specialist
    speculate stethoscope stupendous supportive surrender suspicious sympathy tambourine telephone therapist
    tobacco tolerance tomorrow torpedo tradition travesty trombonist truncated typewriter ultimate undaunted
    underfoot unicorn unify universe unravel upcoming vacancy vagabond vertigo Virginia visitor vocalist
    voyager warranty Waterloo whimsical Wichita Wilmington Wyoming yesteryear Yucatan
";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Both lists, joined by single blanks, a newline after each. The same in three independent copies of the list
    /// (IANA's root key tools, magic-wormhole, the Python program pgp-words).
    #[test]
    fn the_list_is_pinned() {
        let joined = |list: &str| list.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        let both = format!("{}\n{}\n", joined(EVEN), joined(ODD));
        let pinned = "sha256:35a0d4d7b7d763cc67245a675d469c331875e4c0c3900f6fb8c402031418e9bf";
        assert_eq!(Digest::of(both.as_bytes()).to_string(), pinned);
        let distinct: BTreeSet<String> = both.split_ascii_whitespace().map(str::to_ascii_lowercase).collect();
        assert_eq!(distinct.len(), 512);
        assert!(
            distinct
                .iter()
                .all(|word| word.len() <= 11 && word.bytes().all(|byte| byte.is_ascii_lowercase()))
        );
    }
}
