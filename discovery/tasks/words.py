"""Words that the built-in text tasks draw from; a task uses those its tokenizer holds whole."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


PLACES = _words(
    """
    store school park office hospital station garden restaurant house library market beach farm
    hotel church museum bank airport theater castle lake village factory court club palace
    """
)
OBJECTS = _words(
    """
    book drink ring letter ball card key gift picture hat phone ticket box cup map pen bag coat
    watch toy camera flower note basket bottle coin
    """
)
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
    Sandra Sara Sarah Sophie Stephanie Susan Victoria Alison Beth Diane Erin Esther Eve Hannah
    Harriet Isabel Jackie Jill Joyce Judith Judy Katie Katherine Kathleen Lily Melissa Molly Monica
    Naomi Nina Olivia Rosa Sally Sharon Shirley Teresa Wendy Caroline Clara Eleanor Mia Ruby Ada
    Annie
    """
)
PERSONS = _words(
    """
    friend leader player student worker writer singer driver artist guest member teacher doctor
    person cook dancer runner actor speaker reader fighter partner scientist lawyer neighbor coach
    engineer nurse boss captain pilot director manager editor poet musician researcher designer
    developer soldier farmer listener mentor
    """
)
PEOPLE = tuple(
    (noun, plural)
    for noun, plural in (
        pair.split("/")
        for pair in _words(
            """
            boy/boys girl/girls man/men woman/women teacher/teachers student/students doctor/doctors
            author/authors farmer/farmers king/kings friend/friends player/players driver/drivers
            artist/artists leader/leaders worker/workers writer/writers parent/parents guard/guards
            officer/officers manager/managers soldier/soldiers child/children neighbor/neighbors
            lawyer/lawyers judge/judges nurse/nurses patient/patients customer/customers
            client/clients brother/brothers sister/sisters son/sons daughter/daughters
            father/fathers mother/mothers wife/wives husband/husbands cousin/cousins baby/babies
            kid/kids guy/guys lady/ladies prince/princes queen/queens knight/knights hero/heroes
            actor/actors singer/singers dancer/dancers musician/musicians poet/poets
            scientist/scientists engineer/engineers expert/experts member/members
            scholar/scholars researcher/researchers president/presidents minister/ministers
            senator/senators owner/owners visitor/visitors guest/guests host/hosts tourist/tourists
            pilot/pilots captain/captains sailor/sailors hunter/hunters fighter/fighters
            warrior/warriors winner/winners rider/riders runner/runners coach/coaches fan/fans
            critic/critics editor/editors reporter/reporters journalist/journalists reader/readers
            speaker/speakers designer/designers developer/developers trader/traders
            director/directors producer/producers priest/priests saint/saints witness/witnesses
            victim/victims criminal/criminals prisoner/prisoners thief/thieves partner/partners
            colleague/colleagues stranger/strangers agent/agents servant/servants clerk/clerks
            chief/chiefs candidate/candidates citizen/citizens veteran/veterans
            volunteer/volunteers passenger/passengers investor/investors monk/monks
            """
        )
    )
)
EVENTS = _words(
    """
    war siege reign trial journey project campaign expedition dispute voyage study conflict
    rebellion drought strike program marriage career alliance crisis famine negotiation occupation
    pilgrimage plague revolt struggle tour treaty truce debate battle recession mission operation
    investigation expansion invasion conquest rule empire dynasty movement blockade exile regime
    storm epidemic trade exploration construction migration partnership contest tournament
    conference celebration revolution uprising rivalry imprisonment collaboration friendship
    """
)
ARGUMENTS = _words(
    """
    load size file last date name line path code list text page user word time order field value
    group level point table board state label model image color number shape sound
    crime unit dark oil column piece fire water light paper plan park hand window bridge ground
    north market season church garden village winter summer animal person letter office
    music river mountain ocean forest desert island valley tower castle city town street road house
    room door wall floor roof kitchen chair bed lamp clock mirror carpet pillow blanket bottle
    glass plate bowl knife bread butter cheese meat fish rice fruit apple orange lemon milk coffee
    tea juice wine beer salt sugar pepper metal iron steel copper silver gold stone wood brick sand
    clay cotton wool silk leather pen brush paint canvas frame camera film radio phone screen
    keyboard mouse cable engine wheel gear pump valve pipe tank truck train ship boat plane rocket
    horse sheep bird snake bear wolf lion tiger tree leaf root branch flower grass seed corn cloud
    rain snow wind storm sun moon star planet earth sky morning evening night week month hour minute
    score rate speed weight height depth width length volume mass force power energy heat current
    signal noise wave phase angle curve circle square center edge corner lock chain rope net box
    bag coin bank price cost tax loan debt profit sale store shop school class lesson grade book
    story note song dance game team match ball goal race prize crown flag map route trip club union
    party vote law court police prison army battle weapon sword shield gate farm beach lake pool
    """
)
