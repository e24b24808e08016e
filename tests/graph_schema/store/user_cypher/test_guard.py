r"""The guard lets reads pass, refuses the rest, and names what it refused."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph_schema.errors import CypherError
from graph_schema.store.user_cypher.guard import MAX_LENGTH, REFUSED, guard

READS = [
    "MATCH (n) RETURN n",
    "match (n) where n.name = 'CREATE (x) SET y' return n",
    'RETURN "LOAD CSV FROM" AS text',
    "WITH 1 AS `set` RETURN `set` AS `create` // DELETE everything; SHOW USERS",
    "/* MERGE */ MATCH (n) RETURN /* SET */ n.name",
    "WITH {`set`: 1} AS n RETURN n.set, n.`delete`",
    "RETURN 'it\\'s; CREATE' AS text",
    "MATCH (n) RETURN n;",
    "MATCH (n) RETURN n ; // end",
    "MATCH (c:Circuit) CALL (c) { MATCH (c)-[:CONTAINS]->(n) RETURN count(n) AS n } RETURN c, n",
    "CALL { RETURN 1 AS x } RETURN x",
    "CALL db.labels() YIELD label RETURN label",
    "CALL `db`.`relationshipTypes`()",
    "CALL db . propertyKeys()",
    "MATCH (n) WHERE EXISTS { (n)-[:EDGE]->() } RETURN COUNT { (n)--() } AS n",
    "MATCH p = (a)-[:EDGE]->{1,3}(b) RETURN p",
    "UNWIND range(1, 3) AS x WITH x WHERE x > 1.5e3 RETURN x ORDER BY x SKIP 1 LIMIT 7",
    "MATCH (n) WHERE n.settings = $set RETURN n AS offset",
    "RETURN '\\\\u0027 CREATE (n) //' AS text",
    "EXPLAIN MATCH (n) RETURN n",
    "MATCH (n:CircuitNode {name: $name}) RETURN n.created_at, n.loads",
    "RETURN [x IN [1, 2] WHERE x > 1 | x][0..1]",
    "WITH [1, 2, 3] AS x RETURN x[0..size(x)] AS y, x[1 .. toInteger(2.0)] AS z",
    "MATCH (start:Circuit)-[]->(end) WITH start, end WHERE start.task = 'x' RETURN start, end",
    "RETURN {set: 1, create: {`delete`: 2, call: 3}, load: [4]} AS m",
    "WITH {set: 1} AS n RETURN n.set, n . create, n./* */delete, n\n.\nmerge, n['set'], (n).call",
    "WITH {set: 1} AS n RETURN n {.set, .create, drop: n.drop} AS m",
    "RETURN date.truncate('month', date('2026-03-04')) AS d, point.distance(point({x: 1, y: 2}), "
    "point({x: 1, y: 3})) AS p, duration.between(date('2026-01-01'), date('2026-01-02')) AS s",
]

READS_OF_NAMES = [
    "MATCH (n:Circuit {show: $set, use : 2}) RETURN n.set, {call: $call}.call AS q",
    "MATCH (n:Set)-[e:CREATE|DELETE|MERGE]->(:A) WHERE n:Drop RETURN n, e",
    "MATCH (n:A&!Set|Load) RETURN n",
]
"""Of names that the data model does not have."""

ATTACKS = {
    "CREATE (n)": "CREATE",
    "create (n:X {a: 1}) return n": "create",
    "INSERT (n)": "INSERT",
    "MERGE (n:X {a: 1})": "MERGE",
    "MATCH (n) SET n.a = 1": "SET",
    "MATCH (n) DELETE n": "DELETE",
    "MATCH (n) DETACH DELETE n": "DETACH",
    "MATCH (n) REMOVE n.a": "REMOVE",
    "MATCH (n) FOREACH (x IN [1] | CREATE (:X))": "FOREACH",
    "LOAD CSV FROM 'file:///etc/passwd' AS line RETURN line": "LOAD",
    "LOAD/**/CSV FROM 'file:///etc/passwd' AS line RETURN line": "LOAD",
    "LOAD\tCSV FROM 'http://127.0.0.1/' AS line RETURN line": "LOAD",
    "SHOW USERS": "SHOW",
    "SHOW TRANSACTIONS": "SHOW",
    "TERMINATE TRANSACTIONS 'a'": "TERMINATE",
    "USE system RETURN 1": "USE",
    "DROP DATABASE neo4j": "DROP",
    "ALTER CURRENT USER SET PASSWORD FROM 'a' TO 'b'": "ALTER",
    "GRANT ROLE admin TO reader": "GRANT",
    "DENY MATCH {*} ON GRAPH * TO reader": "DENY",
    "REVOKE ROLE admin FROM reader": "REVOKE",
    "RENAME USER a TO b": "RENAME",
    "START DATABASE neo4j": "START",
    "EXPLAIN START DATABASE neo4j": "START",
    "CYPHER 25 START DATABASE neo4j": "START",
    "MATCH (n) WITH n START m = node(1) RETURN m": "START",
    "RETURN START DATABASE neo4j": "START",
    "STOP DATABASE neo4j": "STOP",
    "RETURN util.sleep(1000)": "util.sleep",
    "RETURN `util`.`sleep`(1000)": "util.sleep",
    "RETURN `util.sleep`(1000)": "util.sleep",
    "RETURN util /* */ . sleep (1000)": "util.sleep",
    "RETURN [1, 2][0..util.sleep(1000)]": "util.sleep",
    "RETURN apoc.text.join(['a'], '')": "apoc.text.join",
    "RETURN sql.query('DELETE FROM X')": "sql.query",
    "RETURN date.x.y(1)": "date.x.y",
    "ENABLE SERVER 'a'": "ENABLE",
    "MATCH (n) WITH n.set AS x, n SET n.x = 1": "SET",
    "MATCH (n) WHERE n.set SET n.x = 1": "SET",
    "MATCH (n) WHERE n.\nset\nSET n.x = 1": "SET",
    "MATCH (n) WHERE n./* */set /* */ SET n.x = 1": "SET",
    "MATCH (n) WHERE n.`set` SET n.x = 1": "SET",
    "MATCH (n) WHERE n = {a: 1} SET n.x = 1": "SET",
    "MATCH (n) WHERE n = {set: 1} SET n.x = 1": "SET",
    "MATCH (n) WHERE $set SET n.x = 1": "SET",
    "MATCH (n:Set) SET n:Set": "SET",
    "MATCH (n) WHERE n:A SET n:B": "SET",
    "MATCH (n) WHERE n:A|B SET n:B": "SET",
    "MATCH (n) WHERE n:`A` REMOVE n:`A`": "REMOVE",
    "MATCH (n) CALL { WITH n SET n.x = {set: 1} }": "SET",
    "MATCH (n) CALL { CREATE (:X {a: 1}) }": "CREATE",
    "RETURN [x IN [1] | x] CREATE (n)": "CREATE",
    "MATCH (n) FOREACH (x IN [n:A] | SET n.x = 1)": "FOREACH",
    "MATCH (n), CREATE (:X)": "CREATE",
    "RETURN {set\\u003a 1}.a SET x": "SET",
    "RETURN 1 .. SET n.x = 1": "SET",
    "RETURN 'a' | SET n.x = 1": "SET",
    "RETURN n.call util.sleep(1000)": "util.sleep",
    "RETURN {call: util.sleep(1000)}": "util.sleep",
    "MATCH (n:Call) CALL util.sleep(1000)": "util.sleep",
    "CYPHER 25 CREATE (n)": "CREATE",
    "EXPLAIN CREATE (n)": "CREATE",
    "PROFILE MERGE (n)": "MERGE",
    "USING PERIODIC COMMIT MATCH (n) RETURN n": "PERIODIC",
    "RETURN 1; CREATE (n)": "several statements",
    "RETURN 1; RETURN 2": "several statements",
    "RETURN 'a\\\\'; CREATE (n) //'": "several statements",
    "RETURN 1;; MATCH (n) RETURN n": "several statements",
    "\\u0043REATE (n)": "CREATE",
    "\\u0043\\u0052\\u0045\\u0041\\u0054\\u0045 (n)": "CREATE",
    "\\uu0043REATE (n)": "CREATE",
    "RETURN '\\u0027 CREATE (n) //'": "CREATE",
    "RETURN 1 //\\u000ACREATE (n)": "CREATE",
    "RETURN 1 /*\\u002A/ CREATE (n) /*\\u002A/": "CREATE",
    "RETURN 1 // comment\rCREATE (n)": "CREATE",
    "RETURN 1 // comment\u2028CREATE (n)": "line separator",
    "RETURN 1 // comment\x0bCREATE (n)": "line separator",
    "RETURN 1 /* a /* b */ CREATE (n) */": "CREATE",
    "RETURN `a``` CREATE (n)": "CREATE",
    "RETURN `a\\` CREATE (n) //`": "CREATE",
    "RETURN 1CREATE (n)": "CREATE",
    "RETURN $1CREATE (n)": "CREATE",
    "COMMIT": "COMMIT",
    "rollback;": "rollback",
    "RETURN 1.CREATE (n)": "CREATE",
    "RETURN 1.0CREATE (n)": "CREATE",
    "RETURN 1e5CREATE (n)": "CREATE",
    "MATCH (n)\u00a0SET\u00a0n.a = 1": "SET",
    "MATCH (n) \u017fET n.a = 1": "refused",
    "CRE\u200bATE (n)": "U+200B",
    "\uff23\uff32\uff25\uff21\uff34\uff25 (n)": "refused",
    "RETURN 'open CREATE": "a string",
    'RETURN "open': "a string",
    "RETURN `open": "back-ticks",
    "RETURN 1 /* open": "a comment",
    "CALL dbms.listConfig()": "dbms.listConfig",
    "CALL apoc.cypher.doIt('CREATE (n)', {})": "apoc.cypher.doIt",
    "CALL do.when(true, 'CREATE (n)', '')": "do.when",
    "CALL merge.node(['X'], {a: 1})": "merge.node",
    "CALL `do`.`when`(true, 'CREATE (n)', '')": "do.when",
    "CALL /* hm */ dbms /* hm */ . listConfig": "dbms.listConfig",
    "CALL db.labels.x()": "db.labels.x",
    "CALL `db.labels`.x()": "db.labels.x",
    "OPTIONAL CALL algo.pageRank()": "algo.pageRank",
    "CALL { CREATE (n) RETURN n } RETURN n": "CREATE",
    "CALL { MATCH (n) DELETE n } IN TRANSACTIONS": "DELETE",
    "MATCH (n) CALL (n) { SET n.a = 1 } RETURN n": "SET",
    "RETURN 1CALL dbms.listConfig()": "CALL",
    "MATCH (n)\u2003SET\u2003n.a = 1": "SET",
    "MATCH (n)\ufeffSET n.a = 1": "U+FEFF",
    "LO\u00adAD CSV FROM 'x' AS l RETURN l": "U+00AD",
    "\uff2c\uff2f\uff21\uff24 CSV FROM 'x' AS l RETURN l": "it reads files",
    "SHOW\u3000USERS": "SHOW",
    "CALL\u2028dbms.listConfig()": "dbms.listConfig",
    "MATCH (n) CALL { WITH n SET n.x = 1 } IN TRANSACTIONS OF 10 ROWS": "SET",
    "CALL { MATCH (n) DELETE n } IN 4 CONCURRENT TRANSACTIONS": "DELETE",
    "RETURN EXISTS { MATCH (n) SET n.x = 1 }": "SET",
    "RETURN COLLECT { CREATE (n) RETURN n }": "CREATE",
    "RETURN COUNT { MERGE (n) }": "MERGE",
    "CYPHER 5 runtime=slotted CREATE (n)": "CREATE",
    "PROFILE CREATE (n)": "CREATE",
    "MATCH (n) SET n:$($x)": "SET",
    "MATCH (n) REMOVE n:$('A')": "REMOVE",
    "USE graph.byName('system') RETURN 1": "USE",
    "CALL apoc.load.json('file:///x')": "apoc.load.json",
    "RETURN apoc.cypher.runFirstColumn('CREATE (n)', {}, true)": "apoc.cypher",
    "RETURN 1 UNION CREATE (n) RETURN 1": "CREATE",
    "WHEN true THEN CREATE (n)": "CREATE",
    "MATCH (n) RETURN n NEXT DELETE n": "DELETE",
    "sql DELETE FROM V": "DELETE",
    "\\u005cu0043REATE (n)": "CREATE",
    "RETURN '\\u005cu0027 CREATE (n) //'": "CREATE",
    r"\u005cu005cu005cu005cu005cu005cu0043REATE (n)": "escapes",
    "CALL": "procedure",
    "": "empty",
    "  // nothing\n ;": "empty",
    "RETURN 1 \x00": "null character",
    "RETURN " + "1" * MAX_LENGTH: "characters",
}


@pytest.mark.parametrize("text", READS + READS_OF_NAMES)
def test_a_read_passes(text: str) -> None:
    assert guard(text).text in (text, text.rpartition(";")[0])


@pytest.mark.parametrize("text", ATTACKS, ids=lambda text: text[:60])
def test_an_attack_is_refused_by_name(text: str) -> None:
    with pytest.raises(CypherError) as caught:
        guard(text)
    assert ATTACKS[text] in str(caught.value)


@pytest.mark.parametrize("text", ["RETURN 1" + ";" * 99_000, "CALL {" * 16_000])
def test_a_long_text_is_read_once(text: str) -> None:
    """Reading what is left at every token would take minutes; a second is plenty."""
    start = time.process_time()
    guard(text)
    assert time.process_time() - start < 5


def test_a_query_that_is_no_text_is_refused() -> None:
    with pytest.raises(CypherError, match="the query is 5; expected text"):
        guard(5)  # type: ignore[arg-type]


def test_the_closing_semicolon_is_taken_off() -> None:
    assert guard("RETURN ';' AS x; // end").text == "RETURN ';' AS x"


def test_parameters_are_found_outside_strings() -> None:
    assert guard("RETURN $a, '$b', $`c` // $d").parameters == {"a", "c"}


WORDS = st.sampled_from(sorted(REFUSED))
FILLING = st.text(alphabet="abcCREATEset /*`'\"\\\n;.$1", max_size=12)


@given(word=WORDS, text=FILLING)
def test_a_bare_word_never_hides_behind_closed_text(word: str, text: str) -> None:
    """Whatever is inside a string, back-ticks or a comment, what follows is still read."""
    inside = text.replace("\\", "").replace("'", "")
    with pytest.raises(CypherError):
        guard(f"RETURN '{inside}' {word} (n)")
    with pytest.raises(CypherError):
        guard(f"RETURN `{text.replace('`', '')}` {word} (n)")
    with pytest.raises(CypherError):
        guard(f"RETURN 1 /*{text.replace('*/', '')} */ {word} (n)")


@given(word=WORDS, inside=st.text(alphabet="abc /*`\n;.$1", max_size=12))
def test_words_in_a_string_are_harmless(word: str, inside: str) -> None:
    assert guard(f"RETURN '{inside} {word} {inside}' AS x").text


PIECES = st.sampled_from(
    [
        *(spell(word) for word in sorted(REFUSED) for spell in (str.upper, str.lower)),
        *("MATCH", "RETURN", "CALL", "n", "x", "'", '"', "`", "/*", "*/", "//", "\\"),
        *("\\u0027", "\\u0060", "\\u002a", "\n", "\r", " ", "\u00a0", "(", ")", "{", "}", "[", "]"),
        *(":", ",", ".", "|", "&", "!", "=", "1", "$x", ";"),
    ]
)


def bare_words(text: str) -> list[tuple[str, str]]:
    """Words outside strings, comments and back-ticks, each with the character before it.

    Read by hand, character by character, and by no pattern that the guard uses.
    """
    found: list[tuple[str, str]] = []
    at, before = 0, ""
    while at < len(text):
        here = text[at]
        if text.startswith("//", at):
            while at < len(text) and text[at] not in "\r\n":
                at += 1
        elif text.startswith("/*", at):
            end = text.find("*/", at + 2)
            at = len(text) if end < 0 else end + 2
        elif here in "'\"`":
            at += 1
            while at < len(text) and text[at] != here:
                at += 2 if text[at] == "\\" and here != "`" else 1
            at, before = at + 1, here
        elif here.isalpha() or here == "_":
            start = at
            while at < len(text) and (text[at].isalnum() or text[at] == "_"):
                at += 1
            found.append((text[start:at].upper(), before))
            before = "a"
        else:
            at += 1
            if not here.isspace():
                before = here
    return found


@given(st.lists(PIECES, max_size=14).map("".join))
def test_what_passes_holds_no_clause_that_writes(text: str) -> None:
    """As another reader sees it, which knows names only by the sign before them."""
    try:
        passed = guard(text).text
    except CypherError:
        return
    for reading in (passed, re.sub(r"\\u([0-9a-f]{4})", lambda f: chr(int(f[1], 16)), passed)):
        for word, before in bare_words(reading):
            assert word not in REFUSED or word == "START" or before in ".:|&!{,$", reading
