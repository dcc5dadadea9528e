"""What the words of file names mean that are no instrument: takes, places, negations, bounces, players.

The instruments themselves are rows of ``taxonomy/corpora/folder.csv``.
"""

import re

__all__ = [
    "BETWEEN",
    "CRITICAL",
    "HARMLESS",
    "JOINING",
    "LATE_BOUNCE_WORDS",
    "LOOPS",
    "MUTERS",
    "NEGATORS",
    "NOT_NEGATED",
    "OFF_PLACES",
    "SUFFIX_NEGATORS",
    "SYNTHESIZERS",
    "TAKE_WORDS",
    "WEAK_ADJECTIVES",
    "WEAK_FAMILIES",
    "WEAK_SHORT",
    "harmless",
]

_WORD = re.compile(r"[^\W\d_]+|[&+]")


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text))


def _phrases(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(phrase.split()) for phrase in text.split(",") if phrase.strip())


JOINING = frozenset({"and", "plus", "&", "+"})

TAKE_WORDS = _words(
    """
    a alt alternate amp array axis back beater bip bottom bounce bounced bus center centre clean close
    closemic comp copy di direct double doubled dry dt edit export exported far farmic final fix front full in
    inside isobooth l layer left line live lo lofi low main mel mic micpair mics mid mix mono
    new octave od old out outside pair part peer phrase print printed r raw rec recording ref render
    rendered rev reverse reversed riff right room sample samples section shot side solo spot squash stem
    stems stereo studio sub take takes tight top track tracks trigger triggers tuned up v var vers verse
    version wav wet wide xy kbps kbit khz hz bit bits
    """
)
"""Words about the take, the microphone or the processing; they never name an instrument."""

_PLACES = """
    again all another any best big blend both bright bt bus buss bip ch chorus chor bridge brdg intro
    outro hook verse vs pre prechorus postchorus post refrain coda break breakdown build drop drops end ending
    interlude middle tag turnaround vamp fill fills head theme part parts sect section sections st
    high higher highest hi lower lowest med mid upper rear behind under over above below near distant
    far open closed muted mute active passive additional addition extra first second third fourth last
    next other others main mains my your his her our their the this that new old one two three four five
    six seven eight nine ten i ii iii iv v vi vii viii ix x of to for with from by at on into
    early late long short small large tiny huge full half quarter group groups grp submix dub dbl dble
    dble triple trple trpl quad stack stacks gang duet doubles doubletrack doubletracked overdub overdubs
    overdubbed od overdriven comped uncomped edited unedited tuned untuned untreated treated quantized
    quantised corrected fixed safety spare backup orig original master mastered unmastered premix
    wav flac mp aiff aif khz hz bit bits bpm db cons consolidated rendered bounce bounced freeze frozen
    flattened import imported exported print printed stem stems multi multitrack multitracks channel chan
    chn input output group send return aux insert
    """
_SOUNDS = """
    acoustic electric elec electro electronic amplified unplugged clean cleaner clear crisp crunch crunchy
    crunched dirty dirt dark darker light lighter heavy heavier hard soft softer loud quiet big fat fatter
    thin thick wide narrow warm cold hot cool bright brighter dull deep round dist distorted distortion
    drive driven overdrive fuzz fuzzy gain hiegain higain lowgain saturated tape filtered filter flanged
    flanger phaser phased phase chorused tremolo trem vibrato wah wahwah whammy octaver echo echoes delay
    delayed delays dly reverb reverbs verb rvb verbs plate spring hall chamber ambient ambience amb roomy slap
    slapped slapping pop popping pick picked picking picks strum strums strummed strumming finger fingered
    fingerstyle fingerpicked fingerpicking arp arpeggio arpeggios arpeggiated chord chords chordal stab stabs
    staccato legato pizz pizzicato arco spiccato tremolo sustain sustained sustains long swell swells
    swelling run runs roll rolls lick licks riff riffs motif melody melodic melodies harmony harmonies harm
    harms harmonic harmonics unison counter countermelody ostinato lead ld leads rhythm rhy rhyth rhythmic
    rhythms backing bk bg background accent accents pluck plucks plucked plucky pad pads ambient chop chops
    chug chugs chugga palm palmed skank skanks funk funky rock rockin metal jazz jazzy blues bluesy country
    folk pop soul soulful gospel disco reggae ska latin salsa bossa samba tango flamenco gypsy classical
    baroque modern vintage retro lofi fi grunge indie punk surf twang twangy jangle jangly ballad hip hop
    trap house techno trance dub dubstep edm slow fast straight swung shuffle shuffled groove grooves
    beat loop loops one two real fake live programmed sampled samples virtual vst vsti plugin synth sim
    natural dry wet pure raw noisy gated compressed comp parallel crush crushed smash smashed squash squashed
    limited eq eqd treated processed effected fx sfx efx doubled detuned pitched transposed formant
    reversed backwards forward rev revfx reamp reamped reamps amp amps amped cab cabs cabinet speaker
    stack combo head dirt trash trashed ebow volume octave oct unis bounce drone drones drop high low
    boom boomy vibe sad happy epic sweet gentle lush pretty mellow smooth airy breathy dreamy spooky scary
    weird strange funny nice nasty gritty grungy mean angry lazy lonely magic magical mystic cinematic
    dramatic emotional romantic sparse dense busy simple basic complex experimental abstract random
    texture textures atmos atmosphere atmospheric swirl swirly sparkle sparkly shimmer shimmery lick
    power comping nashville capo dropd drop tuning stride boogie ragtime rave dnb jungle walking driving
    marcato sordino spicc spiccato tremolando tasto ponticello portato detache martele col legno octaves
    film score thematic anthem chunky chunk chuggy grunge glam prog psych psychedelic surfy lounge swing
    bebop bluegrass folky poppy rocky industrial
    groovy bouncy punchy wobbly snappy sloppy trippy fluffy sexy moody nervous calm relaxed
    """
_COLOURS = """
    black white red green blue yellow purple pink orange brown grey gray gold golden silver chrome turquoise
    """
_MICROPHONES = """
    mic mics micro microphone microphones ribbon ribbons condenser condensor dynamic dyn cardioid omni
    boundary pzm contact piezo pickup pickups fet tube valve preamp preamps api neve ssl focusrite avalon
    neumann akg shure sm beta royer coles sennheiser md rode earthworks telefunken ela elam dpa schoeps
    audix rca lauten sansamp pod kemper axe axefx helix amplitube guitarrig marshall mesa boogie orange
    fender twin deluxe princeton bassman hiwatt engl peavey jcm ac vox ampeg svt aguilar jc leslie
    gibson epiphone ibanez prs esp jackson schecter gretsch
    danelectro danelectros dano jaguar jag mustang firebird explorer telecasters strats
    guild martin taylor takamine ovation alvarez larrivee collings squier stratocaster telecaster
    strat tele paul les rickenbacker ricky hofner hoefner musicman stingray warwick steinway bosendorfer
    boesendorfer bechstein bluthner baldwin petrof fazioli pianoteq
    addictive superior ezdrummer slingerland ludwig pearl tama sonor zildjian sabian paiste dw
    instrument prototype proto stock
    """
_PLAYERS = """
    john johns jon jonny johnny jack jake james jim jimmy jamie joe joey josh joshua jerry jeff jason justin
    mike michael mick mikey matt matthew mark marc martin max mary maria marie megan mia molly
    nick nicky nicholas nathan nate neil noah nina natalie nicole paul pete peter phil philip patrick pat
    rob robert robbie bob bobby rick rich richard ron roger ross ryan ray rachel rebecca ruth rosie
    sam samuel samantha steve steven stephen stu stuart sean scott simon sarah sara sophie susan stella
    tim timmy tony trevor terry thomas todd tyler tina tara tom tommy toby will william bill billy
    adam al alan alex alexander andy andrew anthony anna anne annie amy alice amanda ashley
    ben benjamin brian brad brandon bruce brett barry beth becky carl charlie charles chris christian
    christopher chuck cameron craig colin claire clara caroline catherine kate katie karen kelly kim
    dan daniel danny dave david davey dean derek dennis don doug dylan diana donna ed eddie edward eli
    eric erik ethan evan emma emily elizabeth ellie erica erin frank fred freddie fiona gary george greg
    graham gavin grace geneva glen glenn gordon hank harry henry howard hugh hannah helen heather holly
    ian ivan isaac isabel jane jen jenny jess jessica jill joan joanna jo julia julie ken kenny keith
    kevin kyle kurt larry lee leo leon lewis liam louis lucas luke lou laura lauren linda lisa lucy
    olivia oliver oscar owen victor vince vincent wayne zach zack
    """

HARMLESS = TAKE_WORDS | _words(_PLACES + _SOUNDS + _COLOURS + _MICROPHONES + _PLAYERS)
"""Words that may stand before "guitar" or "piano" without making another instrument of it."""

# Adverbs and participles describe ("strummed guitar"); these do not, they name other instruments.
_ENDINGS = ("ed", "ing", "ly", "ish")
_NOT_HARMLESS = frozenset(
    {"talking", "singing", "hanging", "flying", "ring", "string", "spring", "sling", "reed"}
)


def harmless(word: str) -> bool:
    """Return whether a word before an instrument says nothing about which instrument it is."""
    if len(word) == 1 or word in HARMLESS or word.removesuffix("s") in HARMLESS:  # "John's"
        return True
    return len(word) > 5 and word.endswith(_ENDINGS) and word not in _NOT_HARMLESS


CRITICAL = {
    "string": "strings",
    "strings": "strings",
    "piano": "piano",
    "pianos": "piano",
    "drum": "drums",
    "drums": "drums",
    "harp": "harp",
    "harps": "harp",
    "organ": "organ",
    "organs": "organ",
    "horn": "horn",
    "horns": "horn",
    "bass": "bass",
    "basses": "bass",
    "guitar": "guitar",
    "guitars": "guitar",
    "gtr": "guitar",
    "gtrs": "guitar",
    "flute": "flute",
    "flutes": "flute",
    "bell": "bell",
    "bells": "bell",
    "pipe": "pipe",
    "pipes": "pipe",
}
"""Words that name another instrument when certain words stand before them -> row ``WORD?*`` of the map.

``Thumb Piano`` is no piano and ``Blues Harp`` no harp. Those are rows of the map; with a word before
them that nobody knows, the stem may be anything that goes by such a name.
"""

# Negation ----------------------------------------------------------------------------------------

BETWEEN = TAKE_WORDS | _words("the any all more der die das le la les el los de du lead backing")
"""What may stand between "no" and what is missing."""

NEGATORS = {
    "strong": _words(
        """
        without except excluding exclude excl minus ohne sans senza zonder utan uden uten bez sem ilman
        """
    ),
    "weak": _words("no non not wo wout sin geen kein keine pas but ex") | {"\u2212"},
}
"""``strong`` negates whatever follows; ``weak`` only an instrument (there is "No. 2" and "No Woman")."""

SUFFIX_NEGATORS = _words("less off removed excluded omitted free deleted")
"""Words behind what is missing: ``Vocals Off``, ``Drums removed``."""

OFF_PLACES = frozenset(
    {("off", place) for place in ("axis", "beat", "beats", "center", "centre", "mic", "stage")}
)
"""Where a microphone stands or what is played: ``Kick Off Axis`` is a kick."""

MUTERS = _words("mute muted mutes stumm")
"""Words behind a voice or the drums that are missing; guitars, trumpets and cymbals are played so."""

NOT_NEGATED = _words(
    """
    fx sfx efx effect effects reverb verb rvb delay dly echo click clicks metronome eq comp compression
    compressor tune tuning autotune pitch processing room ambience amb bleed bleeding noise gate limiter
    limiting master mastering automation edit edits edit tuning fade fades solo solos mute mutes plugin
    plugins chorus flanger phaser distortion dist drive amp cab mic mics di intro outro bridge overdub
    overdubs od double doubles warp quantize vibrato sustain pedal clip clipping
    """
)
"""What may be missing from a stem that is still the stem of its instrument."""

LATE_BOUNCE_WORDS = _words("print final full export demo ref render song complete whole finished")
"""Words that make a bounce of a name with unknown words in it when they come last."""

LOOPS = _words("loop loops oneshot oneshots")
"""Words of sample packs, where "full" is the whole part."""

SYNTHESIZERS = _phrases(
    """
    syn, juno 106, juno 60, juno 6, juno, jupiter 8, jupiter 4, jupiter 6, jupiter, jx 3 p, jx 8 p, jp 8000,
    jd 800, d 50, sh 101, sh 09, dx 7, dx 21, dx 27, dx 100, tx 7, tx 81 z, cs 80, cs 60, cs 15, minimoog,
    mini moog, moog, moog one, moog voyager, sub 37, sub phatty, little phatty, prophet 5, prophet 6,
    prophet 8, prophet 08, prophet 10, prophet 12, prophet, ob xa, ob x, ob 8, ob 6, oberheim, arp odyssey,
    arp 2600, polysix, poly 61, polymoog, ms 20, ms 10, mono poly, microkorg, micro korg, minilogue,
    mini logue, op 1, virus, virus ti, nord lead, nordlead, nord wave, nord modular, sylenth, sylenth 1,
    serum, reaktor, absynth, fm 8, es 2, retro synth, wavetable, analog synth, analogue synth, synclavier,
    fairlight, ppg, wavestation, blofeld, minibrute, microbrute, monotron, volca, stylophone, keytar,
    synthi, vcs 3, buchla, eurorack, modular, modular synth, mininova, mini nova
    """
)
"""Names of synthesizers as words, numbers apart: "Juno Strings" are strings of a synthesizer."""

# Labels that count only where nothing else is named -----------------------------------------------

WEAK_ADJECTIVES = frozenset(
    " ".join(phrase)
    for phrase in _phrases(
        """
        acoustic, electric, elec, ele, nylon, fretless, upright, upr, slide, leslie, sub, soprano, sopranos,
        alto, altos, tenor, tenors, baritone, bari, steel string, steelstring, b3, c3, a100
        """
    )
)
"""An adjective names an instrument only where no other word does: ``Acoustic`` alone, ``Upright`` alone."""

WEAK_SHORT = frozenset({"d6"}) | _words(
    "rt ft db pf ep org hp dr ba vo ag eg lp sg tb tp tom toms md bd sd sn bs key mc oh ohs"
)
"""Short labels with other meanings ("Gtr RT" is a right channel): not beside another family's instrument."""

WEAK_FAMILIES = {"db": "bowed-string", "dbs": "bowed-string"}
"""Short labels that could be of many families alone, and the one in whose company they are no accident."""
