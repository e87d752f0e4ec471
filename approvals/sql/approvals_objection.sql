CREATE VIEW approvals_objection WITH (security_invoker=true) AS
 SELECT review.decision_id,
    review.id AS review_id,
    0 AS comment_id,
    review.category,
    review.text_id,
    NULL::character varying AS file,
    NULL::integer AS line,
    NULL::character varying AS side
   FROM approvals_review review
  WHERE review.verdict::text <> 'approve'::text AND review.withdrawn_at IS NULL
UNION ALL
 SELECT comment.decision_id,
    review.id AS review_id,
    comment.id AS comment_id,
    ''::character varying AS category,
    comment.text_id,
    comment.file,
    comment.line,
        CASE
            WHEN comment.line IS NOT NULL THEN comment.side
            ELSE NULL::character varying
        END AS side
   FROM approvals_comment comment
     JOIN approvals_review review ON review.decision_id = comment.decision_id AND review.reviewer_id = comment.author_id
  WHERE review.verdict::text <> 'approve'::text AND review.withdrawn_at IS NULL AND comment.file::text <> ''::text;
