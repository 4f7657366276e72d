"""Queries as Grafana would send them."""

from panels.boards import filled, queries_of, rate_interval, read, selectors


def test_there_is_a_query_for_every_panel_but_rows():
    boards = read()
    panels = {(board["uid"], panel["id"]) for board in boards for panel in board["panels"] if panel["type"] != "row"}
    queries = queries_of(boards)
    assert {(query.board, query.panel) for query in queries} == panels
    assert boards[0]["uid"] == "whatsapp-overview"


def test_variables_are_replaced_as_grafana_does():
    promql = 'sum(rate(a{chatbot_id=~"$chatbot_id"}[$__rate_interval]))'
    variables = {"chatbot_id": ["flower-shop", "b.c"]}
    assert filled(promql, variables, 20) == 'sum(rate(a{chatbot_id=~"(flower-shop|b\\\\.c)"}[20s]))'


def test_nothing_is_left_to_replace():
    for query in queries_of(read()):
        assert "$" not in filled(query.promql, {"chatbot_id": ["a"]}, 20)


def test_the_rate_interval_has_four_scrapes_at_least():
    assert rate_interval(5, 5) == 20
    assert rate_interval(15, 60) == 75


def test_selectors_are_found_without_ranges():
    promql = 'sum by (le) (rate(whatsapp_a_bucket{x="1"}[5m])) > 1 and up{job=~".*"} == 0 or process_b + whatsapp_c'
    assert selectors(promql) == ["process_b", 'up{job=~".*"}', 'whatsapp_a_bucket{x="1"}', "whatsapp_c"]
