"""What must be true of imports, as queries that return no row."""

from messaging.invariants import Invariant

OF_IMPORTS = [
    Invariant(
        name="I-70",
        sentence="The counts of an import add up, and each refused row is on record.",
        sql="""
            SELECT j.id FROM campaigns_importjob j LEFT JOIN campaigns_importrefusal r ON r.job_id = j.id WHERE j.status = 'applied'
            GROUP BY j.id HAVING j.refused <> count(r.id) OR j.rows <> j.new + j.changed + j.unchanged + j.refused""",
    ),
    Invariant(
        name="I-71",
        sentence="The same file is never imported twice.",
        sql="SELECT min(id) FROM campaigns_importjob WHERE status = 'applied' GROUP BY kind, sha256 HAVING count(*) > 1",
    ),
    Invariant(
        name="I-72",
        sentence="Every refused row says why.",
        sql="SELECT id FROM campaigns_importrefusal WHERE trim(reason) = ''",
    ),
]
