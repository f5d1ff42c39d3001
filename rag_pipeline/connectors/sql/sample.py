"""A look at a database: the first rows. The cursor is left aside: with one, all keys would be listed."""

from dataclasses import replace

from rag_pipeline.connectors.sql.connector import Sql
from rag_pipeline.connectors.sql.errors import NO_TABLE
from rag_pipeline.connectors.sql.feed import probe
from rag_pipeline.connectors.sql.server import SqlServer
from rag_pipeline.connectors.sql.session import DatabaseFailed, Session
from rag_pipeline.feeds.sample import Sample, never_read, rows_in_turn
from rag_pipeline.feeds.server import ReadContext


def look_at_rows(server: SqlServer, context: ReadContext) -> Sample:
    environment, source = context.environment, context.source
    session = Session(server, environment, source)
    plain = replace(server, cursor="")
    try:
        names = session.run(lambda connection: tuple(map(str, connection.execute(probe(server)).keys())))
    except DatabaseFailed as error:
        if error.trouble is NO_TABLE:  # a listing that fails for it says which table may be meant
            list(Sql(plain, ("id",), (), environment, source).items(never_read))
        raise
    finally:
        session.close()
    connector = Sql(plain, names, (), environment, source)
    try:
        items = list(connector.items(never_read))
        connector.expect(items)
        sample = rows_in_turn([connector.read(item) for item in items], len(items))
    finally:
        connector.close()
    sample.names, sample.complete = names, True
    return sample
