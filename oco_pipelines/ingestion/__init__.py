"""Cloud bills: from a provider's file to `oco.cloud_costs`, to the last digit.

Belongs here: reading, validating, normalising and loading charges, and the shipped sample. Does not
belong here: what is modelled from charges (`marts`) or judged by them (`optimizer`, `policy`).

The files in the order of the flow: object_store → sources → csv_blocks → table_reader →
focus_reader → focus_columns → focus_values → focus_vectors → focus_hash → cost_totals →
focus_normalise → cost_copy → cost_partitions → cost_replace → cost_overlap → cost_batch →
cost_load → definitions.
Beside focus_reader come in AWS' Cost and Usage Reports (aws_file → aws_cur), Azure's cost exports
(azure_file → azure_export → azure_pair) and GCP's billing export (gcp_file → gcp_reader →
gcp_export).

Accounts whose costs are read by themselves: accounts → source_kinds → the module of each provider
(aws_kinds, azure_kinds, gcp_kinds), with source_assets and source_overlap for what they share. AWS:
aws_options → aws_access → aws_export_manifest → aws_delivery → aws_export → aws_export_kind, and
aws_ce_options → aws_ce_request → aws_ce_pages → aws_ce_charges → aws_ce_resources →
aws_cost_explorer → aws_ce_kind; aws_checks says what either lacks. Azure: azure_options,
azure_scope and azure_credentials; azure_query_kind → azure_query_client → azure_query_answer →
azure_query_month → azure_query_load → azure_query_assets, and azure_blob_kind → azure_blob_layout →
azure_blob_load → azure_blob_assets; azure_query_check and azure_blob_check. GCP's billing export in
BigQuery: bigquery_options → bigquery_table → bigquery_credentials → bigquery_client →
bigquery_retry → bigquery_errors → bigquery_days → bigquery_load → bigquery_definitions, and
bigquery_check.
"""
