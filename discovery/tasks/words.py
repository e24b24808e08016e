"""Words that the built-in text tasks draw from; a task uses those its tokenizer holds whole."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


PLACES = _words(
    """
    store school park office hospital station garden restaurant house library market beach farm
    hotel church museum
    """
)
OBJECTS = _words("book drink ring letter ball card key gift picture hat phone ticket box cup map")
NAMES = _words(
    """
    Aaron Adam Alan Albert Alex Alice Allen Amanda Amy Andrea Andrew Angela Ann Anna Anne Anthony
    Arthur Barbara Ben Betty Bill Bob Brandon Brian Bruce Carl Carol Catherine Charles Charlotte
    Chris Christina Christine Christopher Claire Daniel David Deborah Dennis Diana Donald Donna
    Dorothy Douglas Edward Elizabeth Ellen Emily Emma Eric Eva Frank Fred Gary George Greg Harry
    Heather Helen Henry Howard Ian Jack Jacob James Jamie Jane Janet Jason Jean Jeff Jennifer
    Jeremy Jessica Jim Joan Joe John Jonathan Joseph Joshua Julia Julie Justin Karen Kate Keith
    Kelly Kenneth Kevin Kim Larry Laura Lauren Lee Lewis Linda Lisa Louis Louise Lucy Margaret
    Maria Marie Martha Martin Mary Matt Matthew Megan Michael Michelle Mike Nancy Nathan Neil
    Nicholas Nick Nicole Oliver Patricia Patrick Paul Peter Philip Rachel Ralph Rebecca Richard
    Robert Roger Ron Ruth Ryan Sam Samantha Samuel Sandra Sara Sarah Scott Sean Simon Sophie
    Stephanie Stephen Steve Steven Susan Thomas Tim Todd Tom Tony Tyler Victoria Walter William
    """
)
MALE_NAMES = _words(
    """
    Adam Alan Albert Andrew Anthony Arthur Ben Bill Bob Brandon Brian Bruce Carl Charles
    Christopher Daniel David Dennis Donald Douglas Edward Eric Frank Fred Gary George Greg Harry
    Henry Howard Ian Jack Jacob James Jason Jeff Jeremy Jim Joe John Jonathan Joseph Joshua Justin
    Keith Kenneth Kevin Larry Martin Matthew Michael Mike Nathan Neil Nicholas Oliver Patrick Paul
    Peter Philip Richard Robert Roger Ron Ryan Scott Simon Stephen Steve Steven Thomas Tim Tom Tony
    Walter William
    """
)
FEMALE_NAMES = _words(
    """
    Alice Amanda Amy Andrea Angela Ann Anna Anne Barbara Betty Carol Catherine Charlotte Christina
    Christine Claire Deborah Diana Donna Dorothy Elizabeth Ellen Emily Emma Eva Heather Helen Jane
    Janet Jennifer Jessica Joan Julia Julie Karen Kate Laura Lauren Linda Lisa Louise Lucy Margaret
    Maria Marie Martha Mary Megan Michelle Nancy Nicole Patricia Rachel Rebecca Ruth Samantha
    Sandra Sara Sarah Sophie Stephanie Susan Victoria
    """
)
PERSONS = _words(
    "friend leader player student worker writer singer driver artist guest member teacher doctor"
)
PEOPLE = tuple(
    (noun, plural)
    for noun, plural in zip(
        _words(
            """
            boy girl man woman teacher student doctor author farmer king friend player driver
            artist leader worker writer parent guard officer manager soldier child neighbor
            """
        ),
        _words(
            """
            boys girls men women teachers students doctors authors farmers kings friends players
            drivers artists leaders workers writers parents guards officers managers soldiers
            children neighbors
            """
        ),
        strict=True,
    )
)
EVENTS = _words(
    """
    war siege reign trial journey project campaign expedition dispute voyage study conflict
    rebellion drought strike program marriage career alliance crisis famine negotiation occupation
    pilgrimage plague revolt struggle tour treaty truce
    """
)
ARGUMENTS = _words(
    """
    load size file last date name line path code list text page user word time order field value
    group level point table board state label model image color number shape sound
    crime unit dark oil column piece fire water light paper plan park hand window bridge ground
    north market season church garden village winter summer animal person letter office
    """
)
