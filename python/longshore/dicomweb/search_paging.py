"""What the headers of a Search say of the results that are not in its body (PS3.18 10.6.3)."""

from urllib.parse import quote, urlencode

from starlette.requests import Request

from longshore.dicomweb.search_cursor import write_cursor
from longshore.index.search import Page

_WHERE_A_PAGE_BEGINS = ("cursor", "offset")
_MORE = "There are more results than these; the next page is at the Link of this answer"


def paging_headers(request: Request, page: Page, *, resource: str) -> dict[str, str]:
    """Returns `Link` and `Warning` if there are more results, and `X-Total-Count` if asked.

    Args:
        page: What is answered.
        resource: The URL that was asked, without its query.
    """
    headers: dict[str, str] = {}
    if page.total is not None:
        headers["X-Total-Count"] = str(page.total)
    if page.last is not None:
        pairs = [
            (key, value)
            for key, value in request.query_params.multi_items()
            if key.strip().lower() not in _WHERE_A_PAGE_BEGINS
        ]
        query = urlencode([*pairs, ("cursor", write_cursor(page.last))], quote_via=quote)
        headers["Link"] = f'<{resource}?{query}>; rel="next"'
        headers["Warning"] = f'299 {request.url.netloc}: "{_MORE}"'
    return headers
