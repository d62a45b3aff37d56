-- Invoices as people state them; `none` is the invoice of charges whose bill names none.
select
    provider,
    billing_account_id,
    invoice_id,
    billing_period,
    currency,
    total
from {{ source('oco', 'invoices') }}
