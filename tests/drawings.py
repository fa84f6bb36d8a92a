"""What every drawing of networks has to be like, whatever is on it."""

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch


def boxes_of(page: Figure) -> list[FancyBboxPatch]:
    """The boxes of layers, and of words along lines; panels are none."""
    return [p for p in page.axes[0].patches if isinstance(p, FancyBboxPatch) and p.get_zorder() == 3]


def check_page(page: Figure) -> None:
    """No box lies over another, and nothing off the page."""
    width, height = page.get_size_inches()
    boxes = sorted((p.get_x(), p.get_y(), p.get_width(), p.get_height()) for p in boxes_of(page))
    assert all(0 < x < x + w < width and 0 < y < y + h < height for x, y, w, h in boxes)
    for i, (x, y, w, h) in enumerate(boxes):
        for x2, y2, _, h2 in boxes[i + 1 :]:
            assert x2 >= x + w or y2 >= y + h - 1e-9 or y >= y2 + h2 - 1e-9
    renderer = FigureCanvasAgg(page).get_renderer()
    frame = page.bbox
    for text in page.axes[0].texts:
        extent = text.get_window_extent(renderer)
        assert extent.x0 > frame.x0, text
        assert extent.x1 < frame.x1, text
        assert extent.y0 > frame.y0, text
        assert extent.y1 < frame.y1, text


def check_words(page: Figure) -> None:
    """Words are inside their box, or outside of all."""
    renderer = FigureCanvasAgg(page).get_renderer()
    extents = [p.get_window_extent(renderer) for p in boxes_of(page)]
    for text in page.axes[0].texts:
        inner = text.get_window_extent(renderer)
        if text.get_zorder() == 4:
            assert any(
                e.x0 <= inner.x0 and inner.x1 <= e.x1 and e.y0 <= inner.y0 and inner.y1 <= e.y1 for e in extents
            ), text
        else:
            assert not any(e.overlaps(inner) for e in extents), text
