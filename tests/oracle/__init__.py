"""A second opinion on every statement, written from the rules alone: slow, obvious and exact.

It knows lists, whole milliseconds and `fractions.Fraction`, and nothing of `contracts`. Where the product and this
oracle disagree, one of them misreads `semantics.md`, or the rule can be read in two ways.

Readings of the rules, where the text leaves room
-------------------------------------------------
Readings
 1. Journal order is `arrival`, then the line in the file; without arrivals, the line alone.
 2. Identity comes before the clock: a repetition of a reading is a duplicate whatever its own arrival, and the clock
    limits judge the arrival of the reading that stands. (Otherwise repetition could change a bill.)
 3. The clock limits are strict: exactly 5 minutes ahead, or exactly as old as `corrections`, is accepted.
 4. A value is compared after it became ticks, in conditions too: 6.999 bar at a resolution of 0.01 is 7.00 bar.
 5. `late` counts every row whose arrival is known, duplicates and conflicts too, that is earlier than the newest row
    seen before it of its device and channel; a reading quarantined by its clock makes no other late.
 6. A third row that repeats a conflict's second value is a conflict again: it differs from the one that stands.
Known time
 7. A reading a counter quarantines still shows that the device was there, so it extends known time, and conditions
    see its value; a reading quarantined by its clock does neither.
 8. `max_hold: device`: the value is known whenever, before its channel's next reading, some channel of the device with
    a hold in time is known; so it comes back after a silence. "Of its own" includes the default hold.
 9. `known_ms` of a counter or integral is that of its channel; of a duration or count, the time its condition is
    known. `only_when` takes nothing from it.
10. `gaps` is the number of unbroken unknown stretches in the time in force.
11. A row's counts are of the device's own channels its quantity is read from (not those of `only_when`, nor those a
    condition reads of other devices), over the time in force.
Counters
12. The rules are tried in their order for every reading, also while one waits, so rule 2 is tried before rule 3; rule
    3 then decides every reading that is met while waiting, and rule 4 is out of reach until it has.
13. A restart counts as announced when, later than the baseline and not later than the reading, any channel of the
    device showed another boot than the one before. The first boot ever seen announces nothing.
14. A low reading that is replaced by a lower one, or overtaken by a restart (rule 2), is quarantined.
15. A period is judged from readings before its end alone; a reading still waiting there counts as quarantined.
16. `opening` is the register at the period's start, or the first baseline where there is none yet; `closing` the last
    baseline before the end.
17. `quarantined` of a usage row is what accepting its quarantined readings would bill: each one's difference to the
    baseline it was judged against, nothing for a lower one; three or more in a row, each plausible after the one
    before, are one case with the difference of the last. "In a row" is the order in which they were set aside.
18. A real reset found by waiting has one step, of the reading's value, and its time span starts at the old baseline.
19. With `only_when`, `unknown: nothing`, a step counts as under `off_quality`, its off-quality is that of `full`, and
    what lies between is nothing: the setting moves unknown time alone.
20. The time span of a step is cut to the time in force in the period.
Conditions and counting
21. A run of true too short for its `for` is false, also beside unknown time.
22. `count` looks back over the timelines of earlier periods, each cut at its own edges, and never before the device is
    in force; the last false moment is less than 7 days before the first true one.
Charges
23. Tier flats are flats: they shrink with the days in force of the device, or of the contract when pooled.
24. A line's `quantity` is the metered one, before the allowance. Flat lines have neither quantity nor coverage.
25. Every charge has its line, zero or not: one for each device in force, or one for the contract when pooled.
26. A negative quantity enters no tier and no package; a price per unit credits it.
27. An anchor moves quarters and years as it moves months.
Decisions on readings, exchanged meters
28. A decision touches only what would be set aside: a conflict, a wrong clock, or a reading a counter quarantines.
    Without a value it is of the conflict's second value where there is a conflict. The last decision entered holds.
29. What a person accepts and a rule accepts anyway goes by the rule. A discarded reading stays counted as
    quarantined, is nothing any more at stake, and still shows that the device was there.
30. An exchange's closing register bills its step where that is plausible, else nothing; a reading at its moment is
    the new meter's.
Guarantees and obligations
31. Incidents, refusals and services count while their device is in force. `later` is a millisecond later at least.
32. An incident's `elapsed_ms` is all so far, its `beyond_ms` that of the period; one that closes as a period begins is
    shown closed in that period.
33. `over` decides in the last period of its quarter or year, of the contract or of the device. A period not decided
    neither counts towards earn-back nor ends its row.
34. A guarantee of the contract is excused by what concerns a device in force in the period.
    Of several devices, one that is idle by `while` counts as one that is as it should be.
35. `relief` is of the minimum as shrunk by days in force; several reliefs add up, and leave no less than nothing.
36. `instead_of` speaks where its own credit is due (also one voided to 0.00); amounts are compared unrounded.
37. A credit is rounded, then taken from its lines in proportion to the parts of its base; where a line has less left,
    what can be taken is cut to the minor unit. Lines of earlier periods, under `over`, are not looked at again.
38. Rivals of earn-back: the period is first counted for the old claim, then its own credit opens a new one.
39. Coverage of a gain share is the lower of its two meters'; a response has none.
"""

from tests.oracle.reading import Row
from tests.oracle.statement import statement
from tests.oracle.terms import read_terms

__all__ = ["Row", "read_terms", "statement"]
