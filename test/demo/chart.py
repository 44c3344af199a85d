"""A line chart of shares over time as SVG, from plain numbers. Standard library only."""

COLOURS = ["#2563eb", "#dc2626", "#16a34a", "#9333ea", "#ea580c"]


def svg(series, marks, title, width=960, height=420):
    """series: {name: [(seconds, percent)]}; marks: [(seconds, text)]."""
    left, right, top, bottom = 56, 170, 48, 44
    end = max((t for points in series.values() for t, _ in points), default=1)
    x = lambda t: left + (width - left - right) * t / end
    y = lambda p: height - bottom - (height - top - bottom) * min(p, 105) / 105
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="12">',
           f'<rect width="{width}" height="{height}" fill="white"/>',
           f'<text x="{left}" y="22" font-size="15" font-weight="bold">{title}</text>']
    for p in range(0, 101, 20):
        out.append(f'<line x1="{left}" x2="{width - right}" y1="{y(p):.1f}" y2="{y(p):.1f}" stroke="#e5e7eb"/>')
        out.append(f'<text x="{left - 8}" y="{y(p) + 4:.1f}" text-anchor="end">{p}%</text>')
    step = max(1, round(end / 12))
    for t in range(0, int(end) + 1, step):
        out.append(f'<text x="{x(t):.1f}" y="{height - bottom + 18}" text-anchor="middle">{t} s</text>')
    for i, (t, text) in enumerate(marks):
        out.append(f'<line x1="{x(t):.1f}" x2="{x(t):.1f}" y1="{top - 8}" y2="{height - bottom}" stroke="#9ca3af" stroke-dasharray="4 3"/>')
        late = t > 0.8 * end  # keep clear of the legend
        anchor = ' text-anchor="end"' if late else ""
        out.append(f'<text x="{x(t) + (-4 if late else 4):.1f}" y="{top - 6 + 14 * (i % 2)}" fill="#374151"{anchor}>{text}</text>')
    for i, (name, points) in enumerate(series.items()):
        colour = COLOURS[i % len(COLOURS)]
        path = " ".join(f"{x(t):.1f},{y(p):.1f}" for t, p in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out.append(f'<rect x="{width - right + 14}" y="{top + 22 * i}" width="14" height="4" fill="{colour}"/>')
        out.append(f'<text x="{width - right + 34}" y="{top + 7 + 22 * i}">{name}</text>')
    return "\n".join(out + ["</svg>"]) + "\n"
