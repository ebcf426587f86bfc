"""The words of the demo pages: invented charters, questions of canon law and accounts, written as a scribe abbreviates."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Iterator

# A template's {slot} is filled from SLOTS; a sentence that begins with # is a rubric.
CHARTERS = (
    "Vniuersis presentes litteras inspecturis {office} {place} salutem in domino",
    "Notum sit omnibus tam presentibus quam futuris quod ego {name} {place} dedi et concessi {house} {thing} {where}",
    "Ego {name} dictus {byname} recognosco me uendidisse {house} {thing} pro precio {number} {coin}",
    "Item {name} {place} legauit {house} {number} {coin} percipiendos annuatim in festo {feast}",
    "Quam donationem {name} uxor mea laudauit et filii mei {name} et {name} concesserunt",
    "Hanc autem elemosinam promisimus bona fide contra omnes garantire",
    "Testes sunt {name} presbiter {name} prepositus {name} filius {name} et plures alii",
    "In cuius rei testimonium sigillum nostrum presentibus litteris duximus apponendum",
    "Actum anno domini millesimo ducentesimo {number} mense {month}",
    "Si quis uero contra hanc cartam uenire presumpserit iram omnipotentis dei se nouerit incursurum",
    "Preterea concessit eis {thing} {where} sine ulla contradictione perpetuo possidendum",
    "Nos {office} notum facimus quod coram nobis constitutus {name} {byname} quitauit {house} {thing}",
    "Habet etiam eadem domus {thing} {where} quam {name} tenuit in feodum",
    "Si uero dictus {name} in solutione cessauerit reddet pro pena {number} {coin}",
    "De hoc autem fideiussores sunt {name} {byname} et {name} gener eius",
    "Postea uenit {name} {place} et calumpniatus est {thing} sed coram {judge} in pace dimisit",
    "Et ut ratum permaneat cyrographum per alphabetum diuisum est",
    "Canonici uero propter hoc beneficium anniuersarium patris mei {feast} celebrabunt",
    "Hec terra mouet de dominio {name} et debet {number} {coin} pro censu ad festum {feast}",
    "Gaufridus quoque {byname} calciamenta et pelles agninas pro confirmatione habuit",
    "{name} autem iuxta altare cultellum plicatum in signum doni posuit",
    "Dicti fratres tenentur soluere michi et heredibus meis {number} {coin} singulis annis",
)
LAW = (
    "#Contra {subject}",
    "Queritur utrum {person} possit {action} sine consensu {judge}",
    "Videtur quod {person} non debeat {action} quia dicitur in canone quod nemo sibi iudex est",
    "Sed contra est quod {judge} potest ex causa dispensare cum {clerics}",
    "Respondeo distinguendum est inter {subject} et {subject}",
    "Solutio aliud est de iure aliud de permissione ecclesie",
    "Item si {person} excommunicatus fuerit per {number} menses non licet ei {action}",
    "Hoc intelligendum est de illis {clerics} qui publice peccauerunt",
    "Nota quod per hanc regulam corriguntur multorum opiniones peruerse",
    "Quando autem {person} querelam proponit coram {judge} non est facile audiendus",
    "Ergo concedendum quod {person} reus est et penitentia eius quoque uera",
    "Gelasius papa {judge} scribens ait {clerics} nullatenus licere {action}",
    "#Quod {person} non cogatur {action}",
    "Hic distingue an sciens uel ignorans {person} presumpsit {action}",
    "Ad hoc dicunt quidam quod {subject} lex humana permittit diuina non recipit",
    "Alii tamen contradicunt nam {person} iuramento prestito tenetur {action}",
    "Exemplum habes in ueteri testamento ubi rex iustus pepercit inimicis",
    "Maior tamen auctoritas requiritur quotiens {subject} in synodo tractamus",
    "Quidam {person} post uotum contraxit cum quadam uidua nunc petit ab ea separari",
    "Primo uidendum est quid sit {action} secundo cui competat tercio qualiter {clerics} noceat",
    "Generaliter enim uerum est {person} sub obedientia {judge} manere donec reuocetur",
    "Obicitur de {clerics} quorum causam iudex ecclesiasticus non cognoscit",
    "Augustinus de hoc loquens dicit quod qui parum peccat peccat tamen",
)
VERNACULAR = (
    "Ce est li contes de {number} {sous} que {sire} a rendu por {rent}",
    "Aprez vint li maistres {sire} et dist que il n auoit mie {rent}",
    "Item por {rent} {number} {sous} et por le pain des freres {number} deniers",
    "Sachent tuit cil qui ces letres verront que ie {sire} ai vendu {rent} a touz iors",
    "De ce doit on oster {number} {sous} que {sire} paia au seruant de la uile",
    "Li prestres chanta messe et toz li pueples fu assemblez deuant la croiz",
    "Or oiez coment {sire} perdi son cheual et {number} {sous} en un ior",
    "Ge {sire} cheualiers faz sauoir que ie doi a mon chier frere {number} {sous}",
    "Et se il auenoit que {sire} morust sanz hoir la terre reuendroit a la meson",
)
SLOTS = {
    slot: entries.split("|")
    for slot, entries in {
        "name": "Guillelmus|Odo|Hugo|Petrus|Galterus|Radulphus|Symon|Bernardus|Iohannes|Theobaldus|Maria|"
        "Agnes|Ermengardis|Stephanus|Robertus|Garinus|Lambertus|Fulco|Drogo|Elizabeth|Xpistiana|Kalo",
        "byname": "rufus|monachus|faber|longus de ponte|parmentarius|cum barba|niger|ad crucem|bos",
        "office": "officialis curie|decanus et capitulum|humilis abbas|frater minister domus|prior et conuentus",
        "place": "de Monteclaro|de Valle Rubea|de Sancto Quirino|de Fonte Geruasii|de Bosco Iuncto|"
        "de Campo Zenonis|de Rocha Alta|de Pratis|de Lapide Fixo|de Ponte Nouo",
        "house": "ecclesie beate Marie|fratribus hospitalis|monachis nostris|capitulo sancti Geruasii|"
        "pauperibus domus dei|conuentui sororum",
        "thing": "unam peciam terre|duo iugera uinee|domum meam cum horto|decimam bladi|"
        "molendinum et piscariam|quicquid iuris habebam|pratum et nemus|censum gallinarum",
        "where": "apud uillam nouam|iuxta fluuium|in territorio de Brueria|super uiam regiam|"
        "prope clausum abbatis|ultra pontem|infra muros ciuitatis",
        "coin": "solidos|libras|denarios|marchas argenti|sextarios frumenti|modios auene",
        "number": "duos|tres|quatuor|quinque|.vij.|.viij.|nouem|.xij.|.xiiij.|.xvj.|uiginti|.xxx.|.xl.|sexaginta|.c.",
        "feast": "sancti Remigii|omnium sanctorum|beati Iohannis|natiuitatis domini|pasche floride|sancte Lucie",
        "month": "ianuario|februario|marcio|aprili|maio|iunio|iulio|augusto|septembri|octobri|nouembri|decembri",
        "subject": "electionem canonicorum|symoniam manifestam|sponsalia puerorum|iuramentum coactum|"
        "usuras clericorum|excommunicatos|bona ecclesiarum|decimas laicorum|cognationem spiritualem|"
        "appellationes|testes et probationes",
        "person": "clericus|episcopus|abbas|laicus|seruus ordinatus|presbiter parrochialis|uir coniugatus|"
        "monachus fugitiuus|archidiaconus|procurator",
        "action": "accusare prelatum|contrahere matrimonium|uendere calicem|ecclesiam relinquere|"
        "celebrare missam|hereditatem capere|testimonium perhibere|absoluere penitentem|"
        "bellum gerere|iudicare de crimine",
        "judge": "episcopi sui|domini pape|metropolitani|prelati|legati|iudicis secularis|capituli",
        "clerics": "clericis|monialibus|presbiteris|symoniacis|subdiaconis|peregrinis|laicis conuersis",
        "sous": "sous|liures|deniers parisis|mars d argent|setiers de ble",
        "sire": "Iehans li bouchiers|dame Ysabiaus|Pierres de la Porte|Gautiers ses freres|mesire Hues|Colins li clers",
        "rent": "la rente de la vigne|le cens de la meson|les chandoiles dou moustier|l aueine dou prieur|"
        "le vin de la feste|le pre deuant le molin",
    }.items()
}
SUSPENSIONS = {
    "dominus": "dn̄s", "domini": "dn̄i", "domino": "dn̄o", "nostrum": "nr̄m", "nostris": "nr̄is", "sancti": "sc̄i",
    "sancto": "sc̄o", "sancte": "sc̄e", "ecclesie": "eccl̄ie", "ecclesiam": "eccl̄iam", "episcopus": "ep̄s", "episcopi": "ep̄i",
    "litteras": "lr̄as", "litteris": "lr̄is", "omnibus": "om̄ibꝰ", "presentes": "p̄ntes", "presentibus": "p̄ntibꝰ", "frater": "fr̄",
    "fratribus": "fr̄ibꝰ", "quod": "ꝙ", "et": "⁊", "qui": "ꝗ", "quia": "qꝛ", "quam": "q̄", "est": "ē", "non": "nō",
}  # fmt: skip
CONTRACTIONS = (  # (what is written out, sign, how often the scribe uses it); applied in this order
    (r"(?<=.)que$", "qꝫ", 0.9),
    (r"^per|^par(?=[tr])", "ꝑ", 0.9),
    (r"^pro", "ꝓ", 0.9),
    (r"^pre", "p̄", 0.5),
    (r"^co[nm](?=[^aeiou])", "ꝯ", 0.8),
    (r"(?<=[aeo])rum$", "ꝝ", 0.9),
    (r"(?<=..)us$", "ꝰ", 0.6),
    (r"(?<=[aeiou])[nm](?=[^aeiou]|$)", "̄", 0.3),
)
EVERY_SIGN = "\u0304⁊ꝑꝓꝗꝙꝛꝝꝫꝯꝰ"


def abbreviated(word: str, rng: random.Random, without: str = "") -> str:
    """A lower-case word as a scribe writes it, in NFC, with none of the signs in `without`."""
    short = SUSPENSIONS.get(word)
    if short and not set(short) & set(without) and rng.random() < 0.75:
        return unicodedata.normalize("NFC", short)
    written = word
    for pattern, sign, often in CONTRACTIONS:
        if not set(sign) & set(without) and rng.random() < often:
            written = re.sub(pattern, sign, written, count=1)
    written = re.sub(r"s(?=\w)", "ſ", written)  # round s only at the end of a word
    return unicodedata.normalize("NFC", written)


def sentences(rng: random.Random) -> Iterator[str]:
    """Yield sentences for ever: some of a charter, some of a question of law, now and then an account."""
    decks: dict[tuple[str, ...], list[str]] = {}
    while True:
        kind = rng.choice((CHARTERS, CHARTERS, LAW, LAW, VERNACULAR))
        for _ in range(4):
            if not decks.get(kind):  # each is dealt once before any comes again
                decks[kind] = rng.sample(kind, k=len(kind))
            template = decks[kind].pop()
            yield re.sub(r"{(\w+)}", lambda slot: rng.choice(SLOTS[slot[1]]), template)


def words(rng: random.Random, without: str = "") -> Iterator[tuple[str, bool]]:
    """Yield written words for ever, each with whether it belongs to a rubric."""
    for sentence in sentences(rng):
        rubric = sentence.startswith("#")
        plain = sentence.removeprefix("#").split()
        for position, word in enumerate(plain):
            written = word if word[0] == "." else abbreviated(word.lower(), rng, without)
            if word[0].isupper() and written[1:2] == "\u0304":
                written = abbreviated(word.lower(), rng, without=EVERY_SIGN)  # a macron has no room above a capital
            if word[0].isupper() and (written[0].isascii() or written[0] == "ſ"):
                written = written[0].upper() + written[1:]
            elif written[0] == "u" and rng.random() < 0.5:
                written = "v" + written[1:]  # one letter, two shapes: v only at the beginning
            yield written + ("." if position == len(plain) - 1 and not written.endswith(".") else ""), rubric
